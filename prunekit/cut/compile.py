"""From a plan to a Layout: which shapes, attributes and quirks the cut model needs beyond the stock architecture."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transformers import PretrainedConfig

from prunekit.cut.layout import Layout
from prunekit.find.adapter import Adapter, Root, Stack
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
            layout.gathers.extend({"module": path, "index": index} for path in group.lookups)
    for stack in adapter.stacks(config):
        for position, number in enumerate(plan.of(layers_of(groups, stack.name))):
            attentions = [root for root in stack.roots if root.kind is Kind.HEADS]
            for root, label in zip(attentions, ("self", "cross"), strict=False):
                name = f"{stack.name}.{number}.{label}.heads"
                _attention(layout, f"{stack.path}.{position}.{root.owner}", root, left[name], full[name], position)
                if left[name].ids == () and full[name].ids:
                    layout.empty.append(_stand_in(left[name]))
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
    """Counts, cache slot and shared inputs of one attention; an empty one stands in with a single head."""
    values = layout.attributes.setdefault(path, {})
    values["layer_idx"] = position
    if len(group) < len(original):
        values[root.count] = max(len(group), 1)
        if root.shared is not None:
            layout.shared.append({"module": path, **vars(root.shared), "index": list(group.ids or original.ids[:1])})
    for attribute in root.broadcast:
        values[attribute] = 1


def _stand_in(group: PruningGroup) -> dict[str, Any]:
    """Which projections of an attention without heads give, and which ignore, one head of zeros."""
    weights = [piece for piece in group.slices if piece.parameter.endswith(".weight")]
    return {
        "width": next(piece.span for piece in weights if piece.dim == 0),
        "pads": [piece.parameter.removesuffix(".weight") for piece in weights if piece.dim == 0],
        "drops": [piece.parameter.removesuffix(".weight") for piece in weights if piece.dim == 1],
    }


def _first(layout: Layout, stack: Stack) -> None:
    """The flag that says which layer owns what only the first one has."""
    if stack.first is not None:
        path = f"{stack.path}.0.{stack.first.module}"
        layout.attributes.setdefault(path, {})[stack.first.flag] = True
