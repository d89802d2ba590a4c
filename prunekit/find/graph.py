"""The dependency graph: traced couplings, weight ties and the adapter's declarations, checked against each other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch

import networkx as nx
import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from prunekit.find.adapter import Adapter, Stack
from prunekit.find.config_keys import get_key
from prunekit.find.groups import Kind, PruningGroup, width_groups
from prunekit.find.hidden_groups import slices_of, stream_groups
from prunekit.find.plan import PruningPlan, current_name, groups_after
from prunekit.find.size import Size
from prunekit.find.trace import Node, build_skeleton, trace
from prunekit.find.validation import AdapterError, Component, all_roots, check_claims, check_paths, layer_of


@dataclass(frozen=True)
class DependencyGraph:
    """Couplings and the groups they make. Example: a T5-base has 62 groups, one for each attention, FFN and stack.

    `graph` has one node per (parameter, dimension), with its `size`, and one edge per coupling, with `kind` ``traced``,
    ``tie``, or ``tokens`` between tables of the same tokens. `shapes` holds every parameter once, ties under their
    first name; `parts` says where each counts: ``encoder``, ``decoder``, ``embedding`` or ``head``; `ties` maps the
    other names of a parameter to its first.
    """

    graph: "nx.Graph[Node]"
    groups: tuple[PruningGroup, ...]
    shapes: Mapping[str, tuple[int, ...]]
    parts: Mapping[str, str]
    ties: Mapping[str, str]

    @property
    def size(self) -> Size:
        """The size of the whole model as a function of keep-values."""
        return Size(self.shapes, self.groups)

    def size_of(self, *parts: str) -> Size:
        """The size of some parts alone; ``size_of("encoder", "decoder")`` is the non-embedding size."""
        return Size({name: shape for name, shape in self.shapes.items() if self.parts[name] in parts}, self.groups)

    def prunable_size(self, stack: str) -> Size:
        """The size of what prunable heads and FFN channels own in one stack: NASH's denominator of encoder sparsity."""
        names = set().union(*(group.parameters() for group in width_groups(self.groups, stack)))
        return Size({name: shape for name, shape in self.shapes.items() if name in names}, self.groups)

    def after(self, plan: PruningPlan) -> "DependencyGraph":
        """The graph of the model that `plan` leaves: fewer units, smaller shapes, layers renumbered.

        Groups keep their names, which number layers as in the original model; so do the couplings.
        """
        groups = groups_after(self.groups, plan)
        layers = [group for group in self.groups if group.kind is Kind.LAYERS]
        owned = set().union(*(group.parameters() for group in layers))
        names = {name: current_name(name, layers, plan) if name in owned else name for name in self.shapes}
        first = {name: new for name, new in names.items() if new is not None}
        shapes = {new: list(self.shapes[name]) for name, new in first.items()}
        for group in groups:
            for piece in group.slices:
                shapes[piece.parameter][piece.dim] = len(group) * piece.width
        return replace(
            self,
            groups=groups,
            shapes={name: tuple(shape) for name, shape in shapes.items()},
            parts={new: self.parts[name] for name, new in first.items()},
        )


@torch.inference_mode(False)  # a caller's inference mode would leave nothing to trace
def discover(adapter: Adapter, config: PretrainedConfig, model: PreTrainedModel | None = None) -> DependencyGraph:
    """Find the groups of the model that `config` describes, without allocating it.

    `model`, where there is one, decides which weights are tied. Raises `AdapterError` where declaration and trace
    disagree. The cost hardly depends on the model, because only a two-layer skeleton is traced.
    """
    small = build_skeleton(adapter, config)
    stacks = adapter.stacks(config)
    check_paths(adapter, stacks, small)
    traced = trace(adapter, small)
    check_claims(adapter, adapter.stacks(small.config), small, traced.components)
    shapes, ties = _parameters(model if model is not None else adapter.build(config))
    depths = {stack.name: int(get_key(config, stack.depth[0])) for stack in stacks}
    components = [c for component in traced.components for c in _extended(component, stacks, depths)]
    graph = _graph(components, shapes, ties)
    groups = [
        *_groups(adapter, config, stacks, depths, components, shapes),
        *stream_groups(graph, adapter, small, stacks, components, traced.constants, ties),
    ]
    whole = adapter.whole(config)
    groups = [replace(g, prunable=g.prunable and not any(fnmatch(g.name, p) for p in whole)) for g in groups]
    parts = {name: _part(name, stacks, adapter.embeddings(small)) for name in shapes}
    return DependencyGraph(graph, tuple(groups), shapes, parts, ties)


def _parameters(model: nn.Module) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Shapes of all parameters, each counted once, and the other names of tied ones: ``{alias: first name}``."""
    first: dict[int, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    ties: dict[str, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if id(parameter) in first:
            ties[name] = first[id(parameter)]
        else:
            first[id(parameter)] = name
            shapes[name] = tuple(parameter.shape)
    return shapes, ties


def _extended(component: Component, stacks: Sequence[Stack], depths: Mapping[str, int]) -> list[Component]:
    """A skeleton's component in the full model: layer 1 of the skeleton represents every layer but the first.

    A component inside one layer becomes one in each layer that it represents; one that spans layers is still one.
    """

    def copies(parameter: str) -> list[str]:
        found = layer_of(parameter, stacks)
        if found is None:
            return [parameter]
        stack, layer = found
        rest = parameter[len(f"{stack.path}.{layer}.") :]
        return [f"{stack.path}.{n}.{rest}" for n in range(depths[stack.name]) if min(n, 1) == layer]

    nodes = [[(name, dim) for name in copies(parameter)] for parameter, dim in sorted(component)]
    places = {layer_of(parameter, stacks) for parameter, _ in component}
    if len(places) == 1 and None not in places:
        return [frozenset(layer) for layer in zip(*nodes, strict=True)]
    return [frozenset(node for group in nodes for node in group)]


def _graph(
    components: Iterable[Component], shapes: Mapping[str, tuple[int, ...]], ties: Mapping[str, str]
) -> "nx.Graph[Node]":
    """One node per parameter dimension; each component is a star around its first node, each tie an edge."""
    graph: nx.Graph[Node] = nx.Graph()
    for name, shape in {**shapes, **{alias: shapes[first] for alias, first in ties.items()}}.items():
        graph.add_nodes_from(((name, dim), {"size": size}) for dim, size in enumerate(shape))
    for component in components:
        hub, *others = sorted(node for node in component if node in graph)
        graph.add_edges_from(((hub, node) for node in others), kind="traced")
    for alias, first in ties.items():
        graph.add_edges_from((((first, dim), (alias, dim)) for dim in range(len(shapes[first]))), kind="tie")
    return graph


def _groups(
    adapter: Adapter,
    config: PretrainedConfig,
    stacks: Sequence[Stack],
    depths: Mapping[str, int],
    components: Iterable[Component],
    shapes: Mapping[str, tuple[int, ...]],
) -> Iterator[PruningGroup]:
    """Heads and FFN channels of every layer, then each stack's layers."""
    owner = {node: component for component in components for node in component}
    for stack, layer, root in all_roots(stacks, depths):
        weight = f"{stack.path}.{layer}.{root.module}.weight"
        size = adapter.head_size(config, stack.name) if root.kind is Kind.HEADS else 1
        rows = (
            shapes[weight][0] if root.kind is Kind.HEADS else min(shapes[name][dim] for name, dim in owner[weight, 0])
        )
        units = _count(adapter, size, weight, rows)
        slices = slices_of({(name, dim): shapes[name][dim] for name, dim in owner[weight, 0]}, units, root.kind)
        label = f"{root.role}.heads" if root.kind is Kind.HEADS else "ffn"
        name = f"{stack.name}.{layer}.{label}"
        yield PruningGroup(name, root.kind, stack.name, tuple(range(units)), slices, layer=layer, role=root.role)
    for stack in stacks:
        yield _layers(stack, depths[stack.name], shapes)


def _count(adapter: Adapter, size: int, weight: str, rows: int) -> int:
    """How many units of `size` rows a weight has."""
    if size < 1 or rows % size:
        raise AdapterError(
            f"The adapter {type(adapter).__name__} gives heads of {size} rows to {weight!r}, which has {rows} rows; "
            "correct its `head_size`."
        )
    return rows // size


def _layers(stack: Stack, depth: int, shapes: Mapping[str, tuple[int, ...]]) -> PruningGroup:
    """The layers of a stack; what only the first layer has moves to the new first one, so no layer owns it."""
    shared = tuple(f".{stack.first.module}.{name}." for name in stack.first.names) if stack.first else ()
    owned = [name for name in shapes if not any(part in name for part in shared)]
    covers = tuple(tuple(name for name in owned if name.startswith(f"{stack.path}.{n}.")) for n in range(depth))
    return PruningGroup(
        f"{stack.name}.layers",
        Kind.LAYERS,
        stack.name,
        tuple(range(depth)),
        covers=covers,
        path=stack.path,
        streams=stack.streams,
    )


def _part(name: str, stacks: Sequence[Stack], embeddings: set[str]) -> str:
    """Where a parameter counts: ``embedding``, the stack it belongs to, or ``head`` for all others."""
    if name in embeddings:
        return "embedding"
    return next((stack.name for stack in stacks if name.startswith(f"{stack.owner}.")), "head")
