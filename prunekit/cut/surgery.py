"""Surgery: cut a live model to a plan, in place, one parameter at a time."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from prunekit.cut.auto_classes import auto_classes
from prunekit.cut.checkpoint import dense_config as original_config
from prunekit.cut.checkpoint import plan_of
from prunekit.cut.format_upgrade import FORMAT
from prunekit.cut.layout import Layout, install, parameter_holders, replace_parameter, uninstall
from prunekit.cut.layout_compiler import alignment_after, compile_layout, cut_config, unit_indices
from prunekit.cut.live_plan import LivePlan
from prunekit.cut.pruned_model import CutRecord, pruned_class, report_stock_type, stock_class
from prunekit.cut.stock_shapes import StockKeys, stock_keys
from prunekit.cut.token_ids import Renumbering, token_keys
from prunekit.find.adapter import Adapter, Stack
from prunekit.find.config_keys import get_key, set_key
from prunekit.find.graph import DependencyGraph
from prunekit.find.plan import PruningPlan


def cut(
    model: PreTrainedModel,
    plan: PruningPlan,
    adapter: Adapter,
    graph: DependencyGraph,
    dense_config: PretrainedConfig,
    before: PruningPlan | None = None,
) -> PreTrainedModel:
    """Cut `model` to `plan`, irreversibly and in place, and return it.

    `graph` and `dense_config` describe the original model, in whose numbers `plan` is written; `before` is the plan
    that the live model has been cut to already, if any, and `plan` must keep nothing that it dropped. Beside the model
    at most one parameter is held twice. The result equals the model masked by the plan, and its config carries its
    layout.
    """
    before = before or PruningPlan()
    live = LivePlan(graph.groups, before.then(plan), before)
    live.plan.validate(graph.groups)
    layout = compile_layout(adapter, dense_config, graph, live)
    final = cut_config(adapter, dense_config, graph.groups, live.plan)
    uninstall(model)
    for stack in adapter.stacks(dense_config):
        _drop_layers(model, stack, live.positions(stack.name))
    _slice(model, live)
    plain = stock_keys(model, adapter, final, live, layout)
    _adopt_class(model, adapter, final, dense_config, live.plan, layout, plain)
    _update_generation_config(model, adapter, live)
    install(model, layout)
    return model


def cut_copy(model: PreTrainedModel, plan: PruningPlan, adapter: Adapter, graph: DependencyGraph) -> PreTrainedModel:
    """A copy of the live model that `plan` was applied to; the model itself for an empty one."""
    if not plan.kept:
        return model
    before = plan_of(model) or PruningPlan()
    return cut(copy.deepcopy(model), before.then(plan), adapter, graph, original_config(model.config), before)


def _drop_layers(model: nn.Module, stack: Stack, kept: list[int]) -> None:
    """Keep the layers at these positions; what only the first one owns moves to the new first."""
    layers = model.get_submodule(stack.path)
    assert isinstance(layers, nn.ModuleList)
    if stack.first is not None and kept[0] != 0:
        source = layers[0].get_submodule(stack.first.module)
        target = layers[kept[0]].get_submodule(stack.first.module)
        for name in stack.first.names:
            setattr(target, name, getattr(source, name))
    owner, _, leaf = stack.path.rpartition(".")
    fewer = nn.ModuleList(layers[position] for position in kept)
    fewer.training = layers.training
    setattr(model.get_submodule(owner), leaf, fewer)


@torch.no_grad()
def _slice(model: nn.Module, live: LivePlan) -> None:
    """Keep the planned units' indices in every parameter of a model whose layers were dropped already."""
    holders = parameter_holders(model)
    for group in live.shallow:
        kept = live.plan.of(group)
        if len(kept) == len(group):
            continue
        positions = group.positions(kept)
        for piece in group.slices:
            index = unit_indices(piece, positions, len(group))
            old = model.get_parameter(piece.parameter)
            replace_parameter(holders, old, old.index_select(piece.dim, index.to(old.device)))


def _adopt_class(
    model: PreTrainedModel,
    adapter: Adapter,
    final: PretrainedConfig,
    dense_config: PretrainedConfig,
    plan: PruningPlan,
    layout: Layout,
    plain: StockKeys | None,
) -> None:
    """Turn the live model into one of the class that its checkpoint will be loaded with, with configs that say so."""
    changed = _changed_keys(adapter, dense_config)
    kind = pruned_class(type(model))
    stock = stock_class(kind)
    record = CutRecord(
        format=FORMAT,
        base=stock.__name__,
        auto=auto_classes(stock),
        plan=plan.to_ranges(),
        dense={key: get_key(dense_config, key) for key in changed},
        layout=layout.to_dict(),
        plain=plain,
    )
    model.__class__ = kind  # a new object would hold every parameter a second time, and hooks of the old one nowhere
    _copy_configs(model)
    _write_configs(model, type(dense_config), final, record, changed)
    for stack in adapter.stacks(dense_config):
        for key in stack.own_depth:
            setattr(model.get_submodule(stack.owner).config, key, getattr(final, stack.depth[0]))


def _changed_keys(adapter: Adapter, config: PretrainedConfig) -> dict[str, Stack | None]:
    """The keys of a config that a cut may change, each with the stack that it belongs to."""
    stacks = adapter.stacks(config)
    owners = {stack.name: stack for stack in stacks}
    depths: dict[str, Stack | None] = {key: stack for stack in stacks for key in (*stack.depth, *stack.each)}
    return depths | {key: owners.get(key.partition(".")[0]) for key in token_keys(config)}


def _copy_configs(model: PreTrainedModel) -> None:
    """Give the modules copies of their configs, which others may still hold; what they share is still shared."""
    copies: dict[int, PretrainedConfig] = {}
    module: Any
    for module in model.modules():
        old = getattr(module, "config", None)
        if isinstance(old, PretrainedConfig):
            if id(old) not in copies:
                copies[id(old)] = copy.deepcopy(old)
            module.config = copies[id(old)]


def _write_configs(
    model: PreTrainedModel,
    dense_class: type[PretrainedConfig],
    final: PretrainedConfig,
    record: CutRecord,
    changed: Mapping[str, Stack | None],
) -> None:
    """Write the changed keys, and the record of the cut, into the configs of all modules."""
    kind: Any = type(model)
    for path, module in model.named_modules():
        config: Any = getattr(module, "config", None)
        if isinstance(config, dense_class):
            config.__class__ = kind.config_class
            report_stock_type(config)
            config.prunekit = record
            for key in changed:
                set_key(config, key, get_key(final, key))
        elif isinstance(config, PretrainedConfig):  # a part of a composite config, which parts of the model hold
            for key, stack in changed.items():
                if stack is not None and f"{path}.".startswith(f"{stack.owner}."):
                    setattr(config, key.rpartition(".")[2], get_key(final, key))


def _update_generation_config(model: PreTrainedModel, adapter: Adapter, live: LivePlan) -> None:
    """Renumber the heads and the tokens that the generation config names; a list of which nothing is kept is removed.

    The tables of tokens that modules keep beside their parameters follow.
    """
    own: Any = copy.deepcopy(model.generation_config)  # another model may hold it too
    for key in adapter.alignment:
        pairs = getattr(own, key, None)
        if pairs:
            kept = alignment_after(pairs, live)
            setattr(own, key, kept) if kept else delattr(own, key)
    model.generation_config = own
    fewer = Renumbering.of(live.live, live.plan)
    if fewer is not None:
        fewer.renumber_modules(model, adapter.biases)
        fewer.renumber_config(own)
