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
from prunekit.find.validation import AdapterError, Component, module_place


def stream_groups(
    graph: "nx.Graph[Node]",
    adapter: Adapter,
    small: PreTrainedModel,
    stacks: Sequence[Stack],
    components: Sequence[Component],
    constants: Sequence[Constant],
    ties: Mapping[str, str],
) -> Iterator[PruningGroup]:
    """What runs through the whole model: the hidden dimensions of the residual stream, and the vocabulary."""
    yield from _vocabulary(graph, small, ties)
    for component in nx.connected_components(graph):
        crossing = {at[0].name for name, _ in component if (at := module_place(name, stacks)) is not None}
        if crossing and len({module_place(name, stacks) for name, _ in component if name not in ties}) > 1:
            hidden = _stream("hidden", "", component, graph, ties)
            readers = [stack for stack in stacks if _reads(stack, hidden)]
            if len(readers) == 1:
                hidden = replace(hidden, name=f"{readers[0].name}.hidden", stack=readers[0].name)
            elif not readers:  # what lies between two stacks of different widths
                yield replace(hidden, name="bridge", prunable=False)
                continue
            inner = [
                replace(_stream(f"{name}.hidden", name, part, graph, ties), within=hidden.name, lookups=lookups)
                for name, part, lookups in _gathered(adapter, stacks, component, components, ties)
            ]
            apart = {(piece.parameter, piece.dim) for group in inner for piece in group.slices}
            outside = tuple(piece for piece in hidden.slices if (piece.parameter, piece.dim) not in apart)
            for group in (replace(hidden, slices=outside), *inner):
                width = _skeleton_width(small, group)
                owners = tuple(f"{stack.owner}." for stack in stacks if _reads(stack, group))
                beside = (c.path for c in constants if c.width == width and c.path.startswith(owners))
                yield replace(group, constants=tuple(beside))


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


def _gathered(
    adapter: Adapter,
    stacks: Sequence[Stack],
    component: set[Node],
    components: Iterable[Component],
    ties: Mapping[str, str],
) -> Iterator[tuple[str, Component, tuple[str, ...]]]:
    """The parts of a component that hang on the rest by a tied table alone, at lookups that the adapter lets gather."""
    for part in components:
        lookups = tuple(
            name.removesuffix(".weight")
            for name, dim in sorted(part)
            if dim == 1 and name in ties and name.removesuffix(".weight").endswith(adapter.gathers)
        )
        if lookups and part < component:
            yield next(s.name for s in stacks if lookups[0].startswith(f"{s.owner}.")), part, lookups
