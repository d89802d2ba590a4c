"""What runs through a whole model: the hidden dimensions of its residual streams, and the vocabulary."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import networkx as nx
from torch import nn
from transformers import PreTrainedModel

from prunekit.find.adapter import Adapter, Stack
from prunekit.find.groups import Kind, PruningGroup, Slice
from prunekit.find.trace import Constant, Node
from prunekit.find.validation import AdapterError, Component, layer_of


def stream_groups(
    graph: "nx.Graph[Node]",
    adapter: Adapter,
    small: PreTrainedModel,
    stacks: Sequence[Stack],
    components: Sequence[Component],
    constants: Sequence[Constant],
    ties: Mapping[str, str],
) -> Iterator[PruningGroup]:
    """The vocabulary, then the hidden dimensions of every residual stream and of the stacks that may be narrower.

    `graph` holds the couplings of the whole model, `components` those that were traced, without ties; `small` is the
    skeleton that they were traced on.
    """
    yield from _vocabulary(graph, small, ties)
    for component in crossing_components(graph, stacks, ties):
        outer = hidden_group(component, graph, stacks, ties)
        inner = list(_inner_groups(outer, component, graph, adapter, stacks, components, ties))
        for group in (_without(outer, inner), *inner):
            yield attach_constants(group, small, stacks, constants)


def crossing_components(
    graph: "nx.Graph[Node]", stacks: Sequence[Stack], ties: Mapping[str, str]
) -> Iterator[set[Node]]:
    """The connected parts of the couplings that reach into a stack and lie in more places than one of its layers."""
    for component in nx.connected_components(graph):
        inside = {layer_of(name, stacks) for name, _ in component} - {None}
        places = {layer_of(name, stacks) for name, _ in component if name not in ties}
        if inside and len(places) > 1:
            yield component


def hidden_group(
    component: Iterable[Node], graph: "nx.Graph[Node]", stacks: Sequence[Stack], ties: Mapping[str, str]
) -> PruningGroup:
    """The dimensions of one residual stream: ``hidden`` of both stacks, or ``encoder.hidden`` of a stack of its own.

    What lies between two stacks of different widths and runs through neither is the ``bridge``, which is kept whole.
    """
    group = _stream("hidden", "", component, graph, ties)
    readers = [stack for stack in stacks if _reads(stack, group)]
    if not readers:
        return replace(group, name="bridge", prunable=False)
    if len(readers) == 1:
        return replace(group, name=f"{readers[0].name}.hidden", stack=readers[0].name)
    return group


def _inner_groups(
    outer: PruningGroup,
    component: set[Node],
    graph: "nx.Graph[Node]",
    adapter: Adapter,
    stacks: Sequence[Stack],
    components: Iterable[Component],
    ties: Mapping[str, str],
) -> Iterator[PruningGroup]:
    """The dimensions of stacks that hang on the rest of a stream by a tied table alone, which they may gather from."""
    for part in components if outer.prunable else ():
        lookups = _gathering_lookups(part, adapter, ties)
        if lookups and part < component:
            stack = _owner_of(lookups[0], stacks)
            group = _stream(f"{stack}.hidden", stack, part, graph, ties)
            yield replace(group, within=outer.name, lookups=lookups)


def _owner_of(path: str, stacks: Sequence[Stack]) -> str:
    """The name of the stack that a module outside of layers belongs to."""
    found = next((stack.name for stack in stacks if path.startswith(f"{stack.owner}.")), None)
    if found is None:
        raise AdapterError(
            f"The adapter gathers from {path!r}, which lies in no stack; name the module that holds all of the stack "
            "as its `owner`."
        )
    return found


def _gathering_lookups(part: Component, adapter: Adapter, ties: Mapping[str, str]) -> tuple[str, ...]:
    """The embeddings among some nodes that share another's table and of which the adapter allows to gather columns."""
    names = (name.removesuffix(".weight") for name, dim in sorted(part) if dim == 1 and name in ties)
    return tuple(name for name in names if name.endswith(adapter.gathers))


def _without(outer: PruningGroup, inner: Iterable[PruningGroup]) -> PruningGroup:
    """A group without the slices that the groups within it have."""
    apart = {(piece.parameter, piece.dim) for group in inner for piece in group.slices}
    return replace(outer, slices=tuple(s for s in outer.slices if (s.parameter, s.dim) not in apart))


def attach_constants(
    group: PruningGroup, small: PreTrainedModel, stacks: Sequence[Stack], constants: Sequence[Constant]
) -> PruningGroup:
    """A group with the constants that are added to its stream: those of its width in the stacks that it runs through.

    No gradient reaches them, so that tracing alone cannot tell where they are added.
    """
    owners = tuple(f"{stack.owner}." for stack in stacks if _reads(stack, group))
    if not owners:
        return group
    width = _skeleton_width(small, group)
    added = (c.path for c in constants if c.width == width and c.path.startswith(owners))
    return replace(group, constants=tuple(added))


def _vocabulary(graph: "nx.Graph[Node]", small: PreTrainedModel, ties: Mapping[str, str]) -> Iterator[PruningGroup]:
    """The tokens: rows of every table that is looked up by them, and of the projection that scores them.

    They can be cut where all of these count the same tokens; a model that reads one vocabulary and writes another has
    two tokenizers, whose tokens have nothing to do with each other.
    """
    whole: Any = small
    tables = [_of_tokens(part) for part in (whole, whole.get_encoder(), whole.get_decoder())]
    head = whole.get_output_embeddings()
    names = {id(module): f"{name}.weight" for name, module in small.named_modules()}
    nodes = [(names[id(module)], 0) for module in [*tables, head] if id(module) in names]
    if nodes:
        alike = len({graph.nodes[node]["size"] for node in nodes}) == 1
        if alike:
            known = nx.node_connected_component(graph, nodes[0])
            graph.add_edges_from(((nodes[0], node) for node in nodes if node not in known), kind="tokens")
        component = nx.node_connected_component(graph, nodes[0])
        group = _stream("vocabulary", "", component, graph, ties, Kind.VOCABULARY)
        yield replace(group, prunable=alike and head is not None)


def _of_tokens(part: Any) -> nn.Module | None:
    """The table by which a part of a model looks up tokens; None for a part that reads something else."""
    try:
        table = part.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
    return table if isinstance(table, nn.Embedding) else None


def _reads(stack: Stack, group: PruningGroup) -> bool:
    """Whether a stream runs through a stack, and does not only come in by its cross-attention."""
    root = f".{stack.roots[0].module}.weight"
    return any(p.parameter.startswith(f"{stack.path}.") and p.parameter.endswith(root) for p in group.slices)


def _skeleton_width(small: PreTrainedModel, group: PruningGroup) -> int:
    """How many units of a stream the skeleton has: the size of a norm, or of the narrowest dimension."""
    sizes = dict(small.named_parameters(remove_duplicate=False))
    return min(sizes[piece.parameter].shape[piece.dim] for piece in group.slices if piece.parameter in sizes)


def _stream(
    label: str,
    stack: str,
    component: Iterable[Node],
    graph: "nx.Graph[Node]",
    ties: Mapping[str, str],
    kind: Kind = Kind.HIDDEN,
) -> PruningGroup:
    """One group of everything in a component, tied parameters once."""
    units = min(graph.nodes[node]["size"] for node in component)
    sizes = {node: graph.nodes[node]["size"] for node in component if node[0] not in ties}
    slices = slices_of(sizes, units, kind)
    return PruningGroup(label, kind, stack, tuple(range(units)), slices)


def slices_of(sizes: Mapping[Node, int], units: int, kind: Kind) -> tuple[Slice, ...]:
    """What each of the `units` of a component owns: heads several indices in a row, the others one in each block."""
    for (name, _), size in sizes.items():
        if size % units:
            raise AdapterError(
                f"Tracing couples {name!r}, which has {size} indices, with {units} units; the skeleton has another "
                "structure than the model: correct the adapter's `skeleton_sizes`."
            )
    row = kind is Kind.HEADS
    return tuple(
        Slice(name, dim, size // units if row else 1, 1 if row else size // units)
        for (name, dim), size in sorted(sizes.items())
    )
