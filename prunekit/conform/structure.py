"""Checks of what an adapter says about the structure: groups, sizes, ties, and the figures in configs."""

from collections.abc import Iterable

import torch

from prunekit.conform.checks import Failure, check, difference, need, spelled
from prunekit.conform.specimen import Specimen, random_plans
from prunekit.find.keys import get_key
from prunekit.find.units import Kind, PruningGroup, PruningPlan

PLANS = 4
"""Random plans per check."""

LOUD = 1e-4
"""The least relative difference of logits by which a wrong slice must show: ten times what rounding may do."""


@check("trace", "name the roots that tracing asks for; say `keep` of what must stay whole and `cuts` where it must")
def declaration_and_trace(specimen: Specimen) -> None:
    """The declaration and the traced couplings agree, both ways."""
    graph = specimen.graph
    for stack in specimen.adapter.stacks(specimen.config):
        if not any(group.stack == stack.name and group.prunable for group in graph.groups):
            raise Failure(f"nothing in the stack {stack.name!r} can be pruned")


@check("sizes", "name every root; check `head_size` and the stacks' paths")
def counted_equals_real(specimen: Specimen) -> None:
    """The size counted for a plan is that of the cut model, and pruning never adds parameters."""
    size = specimen.graph.size
    for plan in random_plans(specimen.groups(), PLANS):
        real = sum(parameter.numel() for parameter in specimen.cut(plan).parameters())
        if real != size.of(plan) or real > size.whole:
            raise Failure(f"{size.of(plan):,} parameters counted, {real:,} found with {spelled(plan)}")


@check("whole", "surgery must leave alone what a plan does not name; check `attributes` such as the count of heads")
def empty_plan_changes_nothing(specimen: Specimen) -> None:
    """The plan that keeps everything changes no logit."""
    if not torch.equal(specimen.logits(specimen.model), specimen.logits(specimen.cut(PruningPlan()))):
        raise Failure("the empty plan changes the logits")


@check("loud", "give the specimen larger weights, or check that the root names what it should")
def wrong_slice_shows(specimen: Specimen) -> None:
    """Keeping another unit instead of the right one shows in the logits, in a group of every kind and stack."""
    for group in _one_of_each(specimen.groups(Kind.HEADS, Kind.FFN, Kind.HIDDEN, Kind.LAYERS)):
        if len(group) < 3:
            continue
        right, wrong = (specimen.cut(PruningPlan({group.name: (*group.ids[:-2], u)})) for u in group.ids[-2:])
        if difference(specimen.logits(right), specimen.logits(wrong)) < LOUD:
            raise Failure(f"a planted wrong slice of {group.name!r} does not show")


def _one_of_each(groups: Iterable[PruningGroup]) -> list[PruningGroup]:
    """One group for every name that differs in more than the layer."""
    return list({g.name.replace(f".{g.layer}.", "."): g for g in groups}.values())


@check("ties", "list what the architecture ties in its `_tied_weights_keys`; surgery keeps ties by identity")
def ties_stay(specimen: Specimen) -> None:
    """Weights that are one before a cut are one after it."""
    before = len(list(specimen.model.parameters()))
    for plan in random_plans(specimen.groups(Kind.HEADS, Kind.FFN, Kind.HIDDEN), 1):
        if (after := len(list(specimen.cut(plan).parameters()))) != before:
            raise Failure(f"{before} distinct parameters became {after}")


@check("numbers", "name the config keys that count layers in `depth` and `own_depth`")
def configs_agree(specimen: Specimen) -> None:
    """The config counts the layers that are left, and lists that speak of layers and heads speak of those."""
    stacks = specimen.adapter.stacks(specimen.config)
    plan = PruningPlan({g.name: g.ids[1:] for g in need(specimen, Kind.LAYERS)})
    small = specimen.cut(plan)
    for stack in stacks:
        real = len(small.get_submodule(stack.path))
        for key in stack.depth:
            if (said := get_key(small.config, key)) != real:
                raise Failure(f"config.{key} is {said}, but {stack.path} has {real} layers")
