"""From a plan to a Layout: the shapes, attributes and overrides that the cut model needs beyond its stock class."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig

from prunekit.cut.layout import Layout
from prunekit.cut.live_plan import LivePlan
from prunekit.cut.module_overrides import (
    DropInput,
    EmptyAttention,
    GatherOutput,
    ModuleOverride,
    NoOp,
    PadOutput,
    SliceSharedInput,
)
from prunekit.cut.token_ids import Renumbering
from prunekit.find.adapter import Adapter, Root, Stack
from prunekit.find.config_keys import get_key, set_key
from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import Kind, PruningGroup, Role, Slice, layers_group
from prunekit.find.plan import PruningPlan

Attributes = dict[str, dict[str, Any]]
"""What to set on which module, by its path."""


def unit_indices(piece: Slice, positions: Sequence[int], units: int) -> torch.Tensor:
    """The indices along a parameter's dimension of the units at these positions, of `units` in all; block by block."""
    offsets = torch.arange(piece.span)
    within = (torch.tensor(positions, dtype=torch.long)[:, None] * piece.span + offsets).flatten()
    return (torch.arange(piece.blocks)[:, None] * units * piece.span + within).flatten()


def cut_config(adapter: Adapter, config: PretrainedConfig, groups: Sequence[PruningGroup], plan: PruningPlan) -> Any:
    """A copy of the dense `config` with the layer counts, and the vocabulary, that `plan` keeps."""
    result = copy.deepcopy(config)
    for stack in adapter.stacks(config):
        kept = plan.of(layers_group(groups, stack.name))
        for key in stack.depth:
            set_key(result, key, len(kept))
        for key in stack.each:
            set_key(result, key, [get_key(config, key)[number] for number in kept])
    fewer = Renumbering.of(groups, plan)
    if fewer is not None:
        fewer.renumber_config(result)
    return result


def alignment_after(pairs: Iterable[Sequence[int]], live: LivePlan) -> list[list[int]]:
    """The [decoder layer, head of its cross-attention] pairs of the live model that the cut one keeps, renumbered.

    Example: of ``[[2, 0], [3, 5]]``, without layer 2 and the first head of layer 3, ``[[2, 4]]`` is kept.
    """
    before = live.before.of(layers_group(live.groups, "decoder"))
    after = live.layers("decoder")
    result = []
    for position, head in pairs:
        number = before[position]
        heads = live.roles.get(("decoder", number, Role.CROSS))
        unit = live.before.of(heads)[head] if heads else head
        kept = live.plan.of(heads) if heads else (head,)
        if number in after and unit in kept:
            result.append([after.index(number), kept.index(unit)])
    return result


def compile_layout(adapter: Adapter, config: PretrainedConfig, graph: DependencyGraph, live: LivePlan) -> Layout:
    """The layout of the model that `live` makes of the dense one, which `config` and `graph` describe."""
    layers = [each for stack in adapter.stacks(config) for each in _layer_layouts(stack, live)]
    return Layout(
        shapes=_narrowed_shapes(graph, live),
        attributes=_merged([_built_figures(adapter, config, live), *(layout.attributes for layout in layers)]),
        overrides=[
            *_gathered(live),
            *(NoOp(path) for path in adapter.unused),
            *(override for layout in layers for override in layout.overrides),
        ],
    )


def _merged(parts: Iterable[Attributes]) -> Attributes:
    """All attributes together; later parts overwrite earlier ones."""
    result: Attributes = {}
    for part in parts:
        for path, values in part.items():
            result[path] = {**result.get(path, {}), **values}
    return result


def _narrowed_shapes(graph: DependencyGraph, live: LivePlan) -> dict[str, list[int]]:
    """The shape of every parameter that narrower groups leave smaller, tied ones under each of their names."""
    found: dict[str, list[int]] = {}
    for original, kept in live.narrowed():
        for piece in original.slices:
            name = live.current_name(piece.parameter)
            if name is not None:
                shape = found.setdefault(name, list(graph.shapes[piece.parameter]))
                shape[piece.dim] = len(kept) * piece.width
    tied = {alias: found[first] for alias, first in graph.ties.items() if first in found}
    return {**found, **tied}


def _gathered(live: LivePlan) -> Iterator[GatherOutput]:
    """Modules that keep their width, of whose output only the kept dimensions of a narrower stream are taken."""
    wide = {group.name: group for group in live.groups}
    for name, kept in live.final.items():
        if len(kept) < len(wide[name]):
            index = wide[name].positions(kept.ids)
            yield from (GatherOutput(path, index) for path in kept.constants)
        if kept.lookups and len(kept) < len(live.final[kept.within]):
            index = live.final[kept.within].positions(kept.ids)
            yield from (GatherOutput(path, index) for path in kept.lookups)


def _layer_layouts(stack: Stack, live: LivePlan) -> Iterator[Layout]:
    """One layout for each attention of a stack, and one for its first layer."""
    for position, number in enumerate(live.layers(stack.name)):
        for root in stack.roots:
            if root.kind is Kind.HEADS:
                original = live.roles[stack.name, number, root.role]
                path = f"{stack.path}.{position}.{root.owner}"
                yield _attention_layout(path, position, root, original, live.final[original.name])
    if stack.first is not None:
        yield Layout(attributes={f"{stack.path}.0.{stack.first.module}": {stack.first.flag: True}})


def _attention_layout(path: str, position: int, root: Root, original: PruningGroup, kept: PruningGroup) -> Layout:
    """What one attention needs: nothing but its bias runs of an empty one, except in a stack's first self-attention."""
    emptied = bool(original.ids and not kept.ids)
    must_run = position == 0 and root.role is Role.SELF
    if emptied and not must_run:
        return Layout(overrides=[_empty_attention(path, root, kept)])
    return Layout(
        attributes={path: _attention_attributes(position, root, original, kept)},
        overrides=[*_shared_input(path, root, original, kept), *(_stand_in(root, kept) if emptied else ())],
    )


def _attention_attributes(position: int, root: Root, original: PruningGroup, kept: PruningGroup) -> dict[str, Any]:
    """Counts and cache slot of an attention; one without heads that must run does so with a single head."""
    values: dict[str, Any] = {"layer_idx": position}
    if len(kept) < len(original):
        values[root.count] = max(len(kept), 1)
        if root.width:
            values[root.width] = max(len(kept), 1) * _head_size(root, kept)
    return {**values, **dict.fromkeys(root.broadcast, 1)}


def _shared_input(path: str, root: Root, original: PruningGroup, kept: PruningGroup) -> Iterator[SliceSharedInput]:
    """The slices of the kept heads that a narrower attention takes of a tensor that it hands on whole."""
    if root.shared is not None and len(kept) < len(original):
        yield SliceSharedInput(path, **vars(root.shared), index=list(kept.ids or original.ids[:1]))


def _output_projection(root: Root, group: PruningGroup) -> str:
    """The path of the projection that reads the heads: the weight whose columns are theirs."""
    reads = [p.parameter for p in group.slices if p.dim == 1 and p.span == _head_size(root, group)]
    (name,) = [name for name in reads if name.endswith(".weight")]
    return name.removesuffix(".weight")


def _head_size(root: Root, group: PruningGroup) -> int:
    return next(piece.span for piece in group.slices if piece.parameter.endswith(f".{root.module}.weight"))


def _stand_in(root: Root, group: PruningGroup) -> Iterator[ModuleOverride]:
    """What gives one head of zeros in an attention without heads, and what ignores it."""
    output = _output_projection(root, group)
    weights = {p.parameter.removesuffix(".weight"): p.span for p in group.slices if p.parameter.endswith(".weight")}
    yield from (PadOutput(name, width) for name, width in weights.items() if name != output)
    yield DropInput(output)


def _empty_attention(path: str, root: Root, group: PruningGroup) -> EmptyAttention:
    """What still runs of an attention without heads: its output projection, if it lies within, for its bias."""
    output = _output_projection(root, group)
    inside = output.removeprefix(f"{path}.") if output.startswith(f"{path}.") else ""
    shared = None if root.shared is None else [root.shared.argument, root.shared.result]
    return EmptyAttention(path, inside, root.results, shared)


def _built_figures(adapter: Adapter, config: PretrainedConfig, live: LivePlan) -> Attributes:
    """What kept layers were built with, where one built for the new position differs: windows, staggering."""
    if all(len(live.final[group.name]) == len(group) for group in live.groups if group.kind is Kind.LAYERS):
        return {}
    dense = adapter.build(config)
    small = adapter.build(cut_config(adapter, config, live.groups, live.plan))
    found: Attributes = {}
    for stack in adapter.stacks(config):
        for position, number in enumerate(live.layers(stack.name)):
            layer = dense.get_submodule(f"{stack.path}.{number}")
            found.update(_changed_figures(f"{stack.path}.{position}", layer, small))
    return found


def _changed_figures(path: str, layer: nn.Module, small: nn.Module) -> Iterator[tuple[str, dict[str, Any]]]:
    """The figures of a layer's modules that differ from those at `path` in `small`."""
    for name, module in layer.named_modules():
        here = f"{path}.{name}".rstrip(".")
        stock = vars(small.get_submodule(here))
        changed = {key: value for key, value in figures(module).items() if stock.get(key) != value}
        if changed:
            yield here, changed


def figures(module: nn.Module) -> dict[str, Any]:
    """The plain attributes of a module, but for its number, which changes with its position, and its mode."""
    plain = {key: value for key, value in vars(module).items() if isinstance(value, bool | int | float | str)}
    return {key: plain[key] for key in plain.keys() - {"layer_idx", "training"} if not key.startswith("_")}
