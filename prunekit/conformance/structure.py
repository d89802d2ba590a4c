"""Checks of a cut model's structure: sizes, ties, and the figures in configs."""

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from prunekit.conformance.checks import PLANS, Failure, Skip, difference, need, plan_text
from prunekit.conformance.model_under_test import ModelUnderTest, random_plans
from prunekit.cut.layout_compiler import figures
from prunekit.cut.surgery import cut
from prunekit.find.config_keys import get_key
from prunekit.find.groups import Kind, PruningGroup, Role
from prunekit.find.plan import PruningPlan

LOUD = 1e-4
"""The least relative difference of logits by which a wrong slice must show: ten times what rounding may do."""


def counted_equals_real(specimen: ModelUnderTest) -> None:
    """The size counted for a plan is that of the cut model, and pruning never adds parameters."""
    size = specimen.graph.size
    for plan in random_plans(specimen.groups(), PLANS):
        real = sum(parameter.numel() for parameter in specimen.cut(plan).parameters())
        if real != size.of(plan) or real > size.whole:
            raise Failure(f"{size.of(plan):,} parameters counted, {real:,} found with {plan_text(plan)}")


def empty_plan_changes_nothing(specimen: ModelUnderTest) -> None:
    """The plan that keeps everything changes no logit."""
    if not torch.equal(specimen.logits(specimen.model), specimen.logits(specimen.cut(PruningPlan()))):
        raise Failure("the empty plan changes the logits")


def wrong_slice_shows(specimen: ModelUnderTest) -> None:
    """Keeping another unit instead of the right one shows in the logits, in a group of every kind and stack."""
    for group in _one_of_each(specimen.groups(Kind.HEADS, Kind.FFN, Kind.HIDDEN, Kind.LAYERS)):
        if len(group) < 3:
            continue
        right = specimen.cut(PruningPlan({group.name: group.ids[:-1]}))
        wrong = specimen.cut(PruningPlan({group.name: (*group.ids[:-2], group.ids[-1])}))
        if difference(specimen.logits(right), specimen.logits(wrong)) < LOUD:
            raise Failure(f"a planted wrong slice of {group.name!r} does not show")


def _one_of_each(groups: Iterable[PruningGroup]) -> list[PruningGroup]:
    """One group for every name that differs in more than the layer."""
    return list({g.name.replace(f".{g.layer}.", "."): g for g in groups}.values())


def ties_are_kept(specimen: ModelUnderTest) -> None:
    """Weights that are one before a cut are one after it."""
    before = len(list(specimen.model.parameters()))
    for plan in random_plans(specimen.groups(Kind.HEADS, Kind.FFN, Kind.HIDDEN), 1):
        after = len(list(specimen.cut(plan).parameters()))
        if after != before:
            raise Failure(f"{before} distinct parameters became {after}")


def configs_agree(specimen: ModelUnderTest) -> None:
    """Configs and modules hold the figures that the cut model would be built with, and count the kept layers."""
    stacks = specimen.adapter.stacks(specimen.config)
    plan = PruningPlan({g.name: g.ids[1:] for g in need(specimen, Kind.LAYERS)})
    unused = specimen.adapter.build(copy.deepcopy(specimen.config))  # some models change their figures when they run
    small: Any = cut(unused, plan, specimen.adapter, specimen.graph, specimen.config)
    for stack in stacks:
        real = len(small.get_submodule(stack.path))
        for key in stack.depth:
            found = get_key(small.config, key)
            if found != real:
                raise Failure(f"config.{key} is {found}, but {stack.path} has {real} layers")
    with torch.device("meta"):
        built = type(small)(copy.deepcopy(small.config))
    for path, module in small.named_modules():
        _alike(path, _all_figures(module), _all_figures(built.get_submodule(path)))


def _all_figures(module: nn.Module) -> dict[str, Any]:
    """A module's plain attributes and the fields of its config."""
    config = getattr(module, "config", None)
    fields = config.to_dict() if isinstance(config, PretrainedConfig) else {}
    return {**figures(module), **{f"config.{key}": value for key, value in fields.items()}}


def _alike(path: str, live: dict[str, Any], built: dict[str, Any]) -> None:
    for key in live.keys() | built.keys():
        if live.get(key) != built.get(key):
            raise Failure(f"{path}.{key} is {live.get(key)}, but {built.get(key)} when the cut model is built anew")


def alignment_heads_are_the_same(specimen: ModelUnderTest) -> None:
    """Lists of cross-attention heads in the generation config name those that are kept, after each of two cuts."""
    layers = {g.name: g for g in need(specimen, Kind.LAYERS)}
    crosses = {g.name: g for g in specimen.groups(Kind.HEADS) if (g.stack, g.role) == ("decoder", Role.CROSS)}
    if not crosses:
        raise Skip("no cross-attention to prune")
    first = PruningPlan({name: group.ids[1:] for name, group in {**layers, **crosses}.items()})
    later = PruningPlan({name: group.ids[2:] or group.ids[-1:] for name, group in {**layers, **crosses}.items()})
    dense = copy.deepcopy(specimen.model)
    for key in specimen.adapter.alignment:
        pairs = [[group.layer, head] for group in crosses.values() for head in group.ids[::2]]
        setattr(dense.generation_config, key, pairs)
        once = specimen.cut(first, dense)
        for small in (once, specimen.cut(later, once, first)):
            kept = [row for row in _head_weights(specimen, dense, key) if row in _head_weights(specimen, small)]
            found = _head_weights(specimen, small, key)
            if found != kept:
                raise Failure(f"{len(kept)} heads of {key!r} are kept, {len(found)} are listed, or others")


def _head_weights(specimen: ModelUnderTest, model: PreTrainedModel, key: str = "") -> list[bytes]:
    """A weight of each head of the decoder's cross-attentions, of those listed under a key or of all, to know it by."""
    stack = next(stack for stack in specimen.adapter.stacks(specimen.config) if stack.name == "decoder")
    root = next(root for root in stack.roots if root.role is Role.CROSS)
    size = specimen.adapter.head_size(specimen.config, stack.name)
    layers: list[Any] = [layer.get_submodule(root.module) for layer in model.get_submodule(stack.path).children()]
    weights = [layer.weight for layer in layers]
    everything = [(layer, head) for layer, weight in enumerate(weights) for head in range(len(weight) // size)]
    pairs = getattr(model.generation_config, key, []) if key else everything
    return [bytes(weights[layer][head * size].detach().float().cpu().numpy()) for layer, head in pairs]
