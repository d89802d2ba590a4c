"""From a plan to a Layout: which shapes, attributes and overrides the cut model needs beyond the stock architecture."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig

from prunekit.cut.layout import Layout
from prunekit.cut.token_ids import Renumbering
from prunekit.find.adapter import Adapter, Root, SharedInput, Stack
from prunekit.find.config_keys import get_key, set_key
from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import Kind, PruningGroup, Role, Slice, groups_by_role, layers_group
from prunekit.find.plan import PruningPlan, current_name, groups_after


def indices(piece: Slice, positions: Sequence[int], units: int) -> torch.Tensor:
    """Where along a parameter's dimension the units at these positions lie, of so many `units`: block after block."""
    block = (torch.tensor(positions, dtype=torch.long)[:, None] * piece.span + torch.arange(piece.span)).flatten()
    return (torch.arange(piece.blocks)[:, None] * units * piece.span + block).flatten()


def cut_config(adapter: Adapter, config: PretrainedConfig, groups: Sequence[PruningGroup], plan: PruningPlan) -> Any:
    """A copy of the dense `config` with the layer counts, and the vocabulary, that `plan` leaves."""
    result = copy.deepcopy(config)
    for stack in adapter.stacks(config):
        kept = plan.of(layers_group(groups, stack.name))
        for key in stack.depth:
            set_key(result, key, len(kept))
        for key in stack.each:
            set_key(result, key, [get_key(config, key)[number] for number in kept])
    if (fewer := Renumbering.of(groups, plan)) is not None:
        fewer.config(result)
    return result


def aligned(
    pairs: Iterable[Sequence[int]], groups: Sequence[PruningGroup], before: PruningPlan, plan: PruningPlan
) -> list[list[int]]:
    """The [decoder layer, head of its cross-attention] pairs that `plan` leaves, of those of a model cut to `before`.

    Example: of ``[[2, 0], [3, 5]]``, without layer 2 and the first head of layer 3, ``[[2, 4]]`` is left.
    """
    layers = layers_group(groups, "decoder")
    attentions = groups_by_role(groups)
    result = []
    for position, head in pairs:
        number = before.of(layers)[position]
        heads = attentions.get(("decoder", number, Role.CROSS))
        unit = before.of(heads)[head] if heads else head
        kept = plan.of(heads) if heads else (head,)
        if number in plan.of(layers) and unit in kept:
            result.append([plan.of(layers).index(number), kept.index(unit)])
    return result


def compile_layout(adapter: Adapter, config: PretrainedConfig, graph: DependencyGraph, plan: PruningPlan) -> Layout:
    """The layout of the model that `plan` leaves of the dense one with `config` and `graph`."""
    layout, groups, ties = Layout(), graph.groups, graph.ties
    left = {group.name: group for group in groups_after(groups, plan)}
    full = {group.name: group for group in groups}
    attentions = groups_by_role(groups)
    _widths(layout, graph, left, full, plan)
    layout.shapes |= {alias: layout.shapes[first] for alias, first in ties.items() if first in layout.shapes}
    _built(layout, adapter, config, groups, plan)
    layout.overrides.extend({"override": "NoOp", "module": path} for path in adapter.unused)
    for stack in adapter.stacks(config):
        for position, number in enumerate(plan.of(layers_group(groups, stack.name))):
            for root in (root for root in stack.roots if root.kind is Kind.HEADS):
                name = attentions[stack.name, number, root.role].name
                path = f"{stack.path}.{position}.{root.owner}"
                emptied = bool(full[name].ids and not left[name].ids)
                if emptied and (position or root.role is not Role.SELF):
                    layout.overrides.append(_skipped(path, root, left[name]))
                else:
                    _attention(layout, path, root, left[name], full[name], position)
                    layout.overrides.extend(_stand_in(root, left[name]) if emptied else ())
        _first(layout, stack)
    return layout


def _widths(
    layout: Layout,
    graph: DependencyGraph,
    left: Mapping[str, PruningGroup],
    full: Mapping[str, PruningGroup],
    plan: PruningPlan,
) -> None:
    """Record the shapes that narrower groups leave, and what of a wider output such a stream takes."""
    layers = [group for group in graph.groups if group.kind is Kind.LAYERS]
    for name, group in left.items():
        if len(group) < len(full[name]):
            _shape(layout, len(group), full[name], graph.shapes, layers, plan)
            layout.overrides.extend(_gathers(group.constants, full[name], group))
        if group.lookups and len(group) < len(left[group.within]):
            layout.overrides.extend(_gathers(group.lookups, left[group.within], group))


def _gathers(paths: Iterable[str], wide: PruningGroup, group: PruningGroup) -> Iterator[dict[str, Any]]:
    """Modules that stay as `wide` as they are, of whose output only what is left of the group is taken."""
    index = wide.positions(group.ids)
    return ({"override": "GatherOutput", "module": path, "index": index} for path in paths)


def _shape(
    layout: Layout,
    count: int,
    original: PruningGroup,
    shapes: Mapping[str, tuple[int, ...]],
    layers: Sequence[PruningGroup],
    plan: PruningPlan,
) -> None:
    """Record the dimensions that `count` remaining units of a group leave."""
    for piece in original.slices:
        if (name := current_name(piece.parameter, layers, plan)) is not None:
            shape = layout.shapes.setdefault(name, list(shapes[piece.parameter]))
            shape[piece.dim] = count * piece.width


def _attention(
    layout: Layout, path: str, root: Root, group: PruningGroup, original: PruningGroup, position: int
) -> None:
    """Counts, cache slot and shared inputs of one attention; an empty one that must run does so with a single head."""
    values = layout.attributes.setdefault(path, {})
    values["layer_idx"] = position
    if len(group) < len(original):
        values[root.count] = max(len(group), 1)
        if root.width:
            values[root.width] = max(len(group), 1) * _span(root, group)
        if root.shared is not None:
            layout.overrides.append(_slices(path, root.shared, group.ids or original.ids[:1]))
    for attribute in root.broadcast:
        values[attribute] = 1


def _slices(path: str, shared: SharedInput, kept: Sequence[int]) -> dict[str, Any]:
    """The heads' slices that an attention takes of a tensor that it hands on whole."""
    return {"override": "SliceSharedInput", "module": path, **vars(shared), "index": list(kept)}


def _output(root: Root, group: PruningGroup) -> str:
    """The path of the projection that reads the heads: the last of those whose columns are theirs."""
    reads = [p.parameter for p in group.slices if p.dim == 1 and p.span == _span(root, group)]
    (name,) = [name for name in reads if name.endswith(".weight")]
    return name.removesuffix(".weight")


def _span(root: Root, group: PruningGroup) -> int:
    """The size of a head."""
    return next(piece.span for piece in group.slices if piece.parameter.endswith(f".{root.module}.weight"))


def _stand_in(root: Root, group: PruningGroup) -> Iterator[dict[str, Any]]:
    """What gives one head of zeros in an attention without heads, and what ignores it."""
    output = _output(root, group)
    weights = {p.parameter.removesuffix(".weight"): p.span for p in group.slices if p.parameter.endswith(".weight")}
    pads = {name: width for name, width in weights.items() if name != output}
    yield from ({"override": "PadOutput", "module": name, "width": width} for name, width in pads.items())
    yield {"override": "DropInput", "module": output}


def _skipped(path: str, root: Root, group: PruningGroup) -> dict[str, Any]:
    """What an attention without heads leaves to do: its output projection, if it lies within, for its bias."""
    output = _output(root, group)
    inside = output.removeprefix(f"{path}.") if output.startswith(f"{path}.") else ""
    shared = None if root.shared is None else [root.shared.argument, root.shared.result]
    return {"override": "EmptyAttention", "module": path, "output": inside, "results": root.results, "shared": shared}


def _built(
    layout: Layout, adapter: Adapter, config: PretrainedConfig, groups: Sequence[PruningGroup], plan: PruningPlan
) -> None:
    """A layer keeps the figures it was built with where one built for its new place has others: windows, staggering."""
    if all(len(plan.of(group)) == len(group) for group in groups if group.kind is Kind.LAYERS):
        return
    dense, small = adapter.build(config), adapter.build(cut_config(adapter, config, groups, plan))
    for stack in adapter.stacks(config):
        for position, number in enumerate(plan.of(layers_group(groups, stack.name))):
            for name, module in dense.get_submodule(f"{stack.path}.{number}").named_modules():
                path = f"{stack.path}.{position}.{name}".rstrip(".")
                stock = vars(small.get_submodule(path))
                changed = {key: value for key, value in figures(module).items() if stock.get(key) != value}
                if changed:
                    layout.attributes.setdefault(path, {}).update(changed)


def figures(module: nn.Module) -> dict[str, Any]:
    """The plain attributes of a module, but for its number, which changes with its place, and its mode."""
    plain = {key: value for key, value in vars(module).items() if isinstance(value, bool | int | float | str)}
    return {key: plain[key] for key in plain.keys() - {"layer_idx", "training"} if not key.startswith("_")}


def _first(layout: Layout, stack: Stack) -> None:
    """The flag that says which layer owns what only the first one has."""
    if stack.first is not None:
        path = f"{stack.path}.0.{stack.first.module}"
        layout.attributes.setdefault(path, {})[stack.first.flag] = True
