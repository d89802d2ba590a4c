"""Surgery: cut a live model to a plan, in place, one parameter at a time."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from prunekit.cut.checkpoint import dense_config as original_config
from prunekit.cut.checkpoint import plan_of
from prunekit.cut.formats import FORMAT
from prunekit.cut.layout import (
    CutRecord,
    install,
    parameter_holders,
    pruned_class,
    replace_parameter,
    report_stock_type,
    stock_class,
    uninstall,
)
from prunekit.cut.layout_compiler import aligned, compile_layout, cut_config, indices
from prunekit.cut.stock_shapes import plain_keys
from prunekit.cut.token_ids import Renumbering
from prunekit.cut.token_ids import keys as token_keys
from prunekit.find.adapter import Adapter, Stack
from prunekit.find.config_keys import get_key, set_key
from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import PruningGroup, layers_group
from prunekit.find.plan import PruningPlan, groups_after


def cut(
    model: PreTrainedModel,
    plan: PruningPlan,
    adapter: Adapter,
    graph: DependencyGraph,
    dense_config: PretrainedConfig,
    before: PruningPlan | None = None,
) -> PreTrainedModel:
    """Cut `model` to `plan`, irreversibly and in place, and return it.

    `graph` and `dense_config` describe the original model and `plan` speaks of it; `before` is the plan that the live
    model has been cut to already, if any, and `plan` must keep nothing that it dropped. Beside the model at most one
    parameter is held twice. The result equals the model masked by the plan, and carries its layout in its config.
    """
    before = before or PruningPlan()
    plan = before.then(plan)
    plan.validate(graph.groups)
    layout = compile_layout(adapter, dense_config, graph, plan)
    final = cut_config(adapter, dense_config, graph.groups, plan)
    uninstall(model)
    for stack in adapter.stacks(dense_config):
        group = layers_group(graph.groups, stack.name)
        _drop_layers(model, stack, [before.of(group).index(number) for number in plan.of(group)])
    _slice(model, groups_after(graph.groups, PruningPlan({**before.kept, **_layer_part(graph.groups, plan)})), plan)
    plain = plain_keys(model, adapter, final, graph.groups, plan, layout)
    _adopt(model, adapter, final, dense_config, plan, {"layout": layout.to_dict(), "plain": plain})
    _align(model, adapter, graph.groups, before, plan)
    if (fewer := Renumbering.of(groups_after(graph.groups, before), plan)) is not None:
        fewer.modules(model, adapter.biases)
        fewer.config(model.generation_config)
    install(model, layout)
    return model


def cut_copy(model: PreTrainedModel, plan: PruningPlan, adapter: Adapter, graph: DependencyGraph) -> PreTrainedModel:
    """A copy of the live model that `plan` was applied to; the model itself for an empty one."""
    if not plan.kept:
        return model
    before = plan_of(model) or PruningPlan()
    return cut(copy.deepcopy(model), before.then(plan), adapter, graph, original_config(model.config), before)


def _align(
    model: PreTrainedModel, adapter: Adapter, groups: Sequence[PruningGroup], before: PruningPlan, plan: PruningPlan
) -> None:
    """Let the generation config's lists of [decoder layer, head] speak of what is left; an empty list goes."""
    live: Any = copy.deepcopy(model.generation_config)  # another model may hold it too
    for key in adapter.alignment:
        if pairs := getattr(live, key, None):
            left = aligned(pairs, groups, before, plan)
            setattr(live, key, left) if left else delattr(live, key)
    model.generation_config = live


def _layer_part(groups: Sequence[PruningGroup], plan: PruningPlan) -> dict[str, tuple[int, ...]]:
    return {group.name: plan.of(group) for group in groups if group.path}


def _drop_layers(model: nn.Module, stack: Stack, kept: list[int]) -> None:
    """Keep the layers at these positions; what only the first one owns moves to the new first."""
    layers = model.get_submodule(stack.path)
    assert isinstance(layers, nn.ModuleList)
    if stack.first is not None and kept[0] != 0:
        source, target = (layers[position].get_submodule(stack.first.module) for position in (0, kept[0]))
        for name in stack.first.names:
            setattr(target, name, getattr(source, name))
    owner, _, leaf = stack.path.rpartition(".")
    left = nn.ModuleList(layers[position] for position in kept)
    left.training = layers.training
    setattr(model.get_submodule(owner), leaf, left)


@torch.no_grad()
def _slice(model: nn.Module, groups: Sequence[PruningGroup], plan: PruningPlan) -> None:
    """Keep the planned units' indices in every parameter; `groups` describe the live model, layers dropped."""
    owners = parameter_holders(model)
    for group in groups:
        kept = plan.of(group)
        if len(kept) == len(group):
            continue
        positions = group.positions(kept)
        for piece in group.slices:
            index = indices(piece, positions, len(group))
            old = model.get_parameter(piece.parameter)
            replace_parameter(owners, old, old.index_select(piece.dim, index.to(old.device)))


def _adopt(
    model: PreTrainedModel,
    adapter: Adapter,
    final: PretrainedConfig,
    dense_config: PretrainedConfig,
    plan: PruningPlan,
    shape: dict[str, Any],
) -> None:
    """Turn the live model into one of the class that its checkpoint will be loaded with."""
    kind = pruned_class(type(model))
    stacks = adapter.stacks(dense_config)
    owners = {stack.name: stack for stack in stacks}
    keys: dict[str, Stack | None] = {key: stack for stack in stacks for key in (*stack.depth, *stack.each)}
    keys |= {key: owners.get(key.partition(".")[0]) for key in token_keys(dense_config)}
    dense = {key: get_key(dense_config, key) for key in keys}
    base = stock_class(kind).__name__
    record = CutRecord({"format": FORMAT, "base": base, "plan": plan.to_ranges(), "dense": dense, **shape})
    model.__class__ = kind
    own: dict[int, PretrainedConfig] = {}
    for path, module in model.named_modules():
        old: Any = getattr(module, "config", None)
        if not isinstance(old, PretrainedConfig):
            continue
        if id(old) not in own:
            own[id(old)] = copy.deepcopy(old)  # whoever built the model may still hold its config
        config: Any = own[id(old)]
        module.config = config
        if isinstance(old, type(dense_config)):
            config.__class__ = kind.config_class
            report_stock_type(config)
            config.prunekit = record
            for key in keys:
                set_key(config, key, get_key(final, key))
        else:  # a part of a composite config, which the parts of the model hold themselves
            for key, stack in keys.items():
                if stack is not None and (path == stack.owner or path.startswith(f"{stack.owner}.")):
                    setattr(config, key.rpartition(".")[2], get_key(final, key))
    for stack in stacks:
        for key in stack.own_depth:
            setattr(model.get_submodule(stack.owner).config, key, getattr(final, stack.depth[0]))
