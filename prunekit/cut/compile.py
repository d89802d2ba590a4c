"""From a plan to a Layout: which shapes, attributes and quirks the cut model needs beyond the stock architecture."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transformers import PretrainedConfig

from prunekit.cut.layout import Layout
from prunekit.find.adapter import Adapter, Root, SharedInput, Stack
from prunekit.find.units import Kind, PruningGroup, PruningPlan, current_name, narrow


def layers_of(groups: Iterable[PruningGroup], stack: str) -> PruningGroup:
    """The group of a stack's layers."""
    return next(group for group in groups if group.kind is Kind.LAYERS and group.stack == stack)


def cut_config(adapter: Adapter, config: PretrainedConfig, groups: Sequence[PruningGroup], plan: PruningPlan) -> Any:
    """A copy of the dense `config` with the layer counts that `plan` leaves."""
    result = copy.deepcopy(config)
    for stack in adapter.stacks(config):
        count = len(plan.of(layers_of(groups, stack.name)))
        for key in stack.depth:
            setattr(result, key, count)
    return result


def compile_layout(
    adapter: Adapter,
    config: PretrainedConfig,
    groups: Sequence[PruningGroup],
    shapes: Mapping[str, tuple[int, ...]],
    plan: PruningPlan,
) -> Layout:
    """The layout of the model that `plan` leaves of the dense one with `config`, `groups` and `shapes`."""
    left = {group.name: group for group in narrow(groups, plan)}
    full = {group.name: group for group in groups}
    layers = [group for group in groups if group.kind is Kind.LAYERS]
    layout = Layout()
    for name, group in left.items():
        if len(group) < len(full[name]) and group.slices:
            _shape(layout, len(group), full[name], shapes, layers, plan)
        if group.lookups and len(group) < len(left[group.within]):
            index = left[group.within].positions(group.ids)
            layout.quirks.extend({"quirk": "GathersOutput", "module": path, "index": index} for path in group.lookups)
    for stack in adapter.stacks(config):
        for position, number in enumerate(plan.of(layers_of(groups, stack.name))):
            attentions = [root for root in stack.roots if root.kind is Kind.HEADS]
            for root, label in zip(attentions, ("self", "cross"), strict=False):
                name = f"{stack.name}.{number}.{label}.heads"
                path = f"{stack.path}.{position}.{root.owner}"
                emptied = bool(full[name].ids and not left[name].ids)
                if emptied and (position or label != "self"):
                    layout.quirks.append(_skipped(path, root, left[name]))
                else:
                    _attention(layout, path, root, left[name], full[name], position)
                    layout.quirks.extend([_stand_in(path, left[name])] if emptied else [])
        _first(layout, stack)
    return layout


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
            shape[piece.dim] = count * piece.span


def _attention(
    layout: Layout, path: str, root: Root, group: PruningGroup, original: PruningGroup, position: int
) -> None:
    """Counts, cache slot and shared inputs of one attention; an empty one that must run does so with a single head."""
    values = layout.attributes.setdefault(path, {})
    values["layer_idx"] = position
    if len(group) < len(original):
        values[root.count] = max(len(group), 1)
        if root.shared is not None:
            layout.quirks.append(_slices(path, root.shared, group.ids or original.ids[:1]))
    for attribute in root.broadcast:
        values[attribute] = 1


def _slices(path: str, shared: SharedInput, kept: Sequence[int]) -> dict[str, Any]:
    """The heads' slices that an attention takes of a tensor that it hands on whole."""
    return {"quirk": "TakesSlices", "module": path, **vars(shared), "index": list(kept)}


def _projections(path: str, group: PruningGroup, dim: int) -> list[str]:
    """The projections of the attention at `path` whose rows (dimension 0) or columns (1) are its heads'."""
    weights = [piece.parameter for piece in group.slices if piece.parameter.endswith(".weight") and piece.dim == dim]
    return [name.removesuffix(".weight").removeprefix(f"{path}.") for name in weights]


def _stand_in(path: str, group: PruningGroup) -> dict[str, Any]:
    """Which projections of an attention without heads give, and which ignore, one head of zeros."""
    width = next(piece.span for piece in group.slices if piece.parameter.endswith(".weight") and piece.dim == 0)
    pads, drops = (_projections(path, group, dim) for dim in (0, 1))
    return {"quirk": "StandsIn", "module": path, "width": width, "pads": pads, "drops": drops}


def _skipped(path: str, root: Root, group: PruningGroup) -> dict[str, Any]:
    """What an attention without heads leaves to do: its output projection, if that has a bias."""
    (output,) = _projections(path, group, 1)
    shared = None if root.shared is None else [root.shared.argument, root.shared.result]
    return {"quirk": "Skipped", "module": path, "output": output, "results": root.results, "shared": shared}


def _first(layout: Layout, stack: Stack) -> None:
    """The flag that says which layer owns what only the first one has."""
    if stack.first is not None:
        path = f"{stack.path}.0.{stack.first.module}"
        layout.attributes.setdefault(path, {})[stack.first.flag] = True
