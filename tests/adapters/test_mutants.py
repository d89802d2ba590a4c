"""The suite catches wrong declarations: built-in adapters with one thing dropped, misnamed or left at its default."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest
import torch
from torch import nn

from prunekit import Adapter, PruningPlan, Stack, heads, plugins
from prunekit.conformance import ModelUnderTest, failures
from prunekit.conformance.model_under_test import random_plan
from prunekit.cut.layout_compiler import compile_layout
from prunekit.cut.live_plan import LivePlan
from prunekit.find.groups import Kind

EQUIVALENT = {
    (
        "VisionEncoderDecoder",
        "decoder owner left",
    ): "TrOCR's head is its table: nothing lies around the decoder's module",
    ("T5Gemma", "gathers without encoder.embed_tokens"): "the encoder's table is its own, so it narrows with its stack",
    ("Pop2Piano", "gathers without encoder.embed_tokens"): "its encoder reads frames and looks nothing up",
    ("Fsmt", "gathers without encoder.embed_tokens"): "its hidden dimensions stay whole, so nothing is gathered",
}
"""Mutants that no check can tell from the adapter, each with its reason. Beside them stand the `twins`."""

if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 15):
    EQUIVALENT["Led", "keep without longformer_self_attn"] = "older torch traces the window attention as one operation"

ADAPTERS = sorted({plugins.load(plugins.ADAPTERS, name).__name__ for name in plugins.names(plugins.ADAPTERS)})


@dataclass(frozen=True)
class Mutant:
    """An adapter that differs from a built-in one in what `label` says: ``decoder encoder_attn.q_proj dropped``."""

    label: str
    adapter: type[Adapter]


def mutants(kind: type[Adapter], config) -> Iterator[Mutant]:
    """Every mutant of an adapter, by what it declares for `config`."""
    small = kind().build(kind().skeleton(config))
    yield from (Mutant(label, _own(kind, **{name: value})) for label, name, value in _of_class(kind, config, small))
    for at, stack in enumerate(kind().stacks(config)):
        for label, change in (*_of_stack(stack), *_of_roots(stack, small.get_submodule(stack.path)[0])):
            yield Mutant(f"{stack.name} {label}", _own(kind, stacks=_changed(kind, at, change)))


def _own(kind: type[Adapter], **members: Any) -> type[Adapter]:
    return type(f"Mutant{kind.__name__}", (kind,), members)


def _changed(kind: type[Adapter], at: int, change: Callable[[Stack], tuple[Stack, ...]]) -> Callable:
    """`stacks` with the one at a place changed, dropped or doubled."""

    def stacks(self, config):
        declared = kind.stacks(self, config)
        return (*declared[:at], *change(declared[at]), *declared[at + 1 :])

    return stacks


def _of_class(kind: type[Adapter], config, small: nn.Module) -> Iterator[tuple[str, str, Any]]:
    """What a class states, beside its stacks, of modules that the model has: (label, member, value)."""
    paths = [path for path, _ in small.named_modules()]
    for name in ("cuts", "keep", "gathers", "unused"):
        entries = getattr(kind, name)
        for entry in (entry for entry in entries if any(entry in path for path in paths)):
            yield f"{name} without {entry}", name, tuple(other for other in entries if other != entry)
    patterns = kind().whole(config)
    for pattern in patterns:
        left = tuple(other for other in patterns if other != pattern)
        yield f"whole without {pattern}", "whole", lambda self, config, left=left: left
    yield "head_size doubled", "head_size", lambda self, config, stack: 2 * kind.head_size(self, config, stack)
    if kind.auto_class is not Adapter.auto_class:
        yield "auto_class left", "auto_class", Adapter.auto_class


def _of_stack(stack: Stack) -> Iterator[tuple[str, Callable[[Stack], tuple[Stack, ...]]]]:
    """What a stack states beside its roots."""
    yield "dropped", lambda stack: ()
    yield "path misnamed", lambda stack: (_with(stack, path=f"{stack.path}_"),)
    yield "depth misnamed", lambda stack: (_with(stack, depth=(f"{stack.depth[0]}_", *stack.depth[1:])),)
    plain = Stack(stack.name, stack.path)
    for name in ("depth", "own_depth", "each"):
        for entry in set(getattr(stack, name)) - set(getattr(plain, name)):
            yield f"{name} without {entry}", lambda stack, name=name, entry=entry: (_without(stack, name, entry),)
    for name in ("first", "owner", "streams"):
        if getattr(stack, name) != getattr(plain, name):
            yield f"{name} left", lambda stack, name=name: (_with(stack, **{name: getattr(plain, name)}),)
    if stack.first is not None:
        for name in stack.first.names:
            names = tuple(other for other in stack.first.names if other != name)
            yield f"first without {name}", lambda stack, names=names: (_first(stack, names=names),)
        yield "first misnamed", lambda stack: (_first(stack, names=(stack.roots[0].module.rpartition(".")[2],)),)
        yield "first flag misnamed", lambda stack: (_first(stack, flag=f"{stack.first.flag}_"),)


def _of_roots(stack: Stack, layer: nn.Module) -> Iterator[tuple[str, Callable[[Stack], tuple[Stack, ...]]]]:
    """What the roots of a stack state; a root is misnamed as another one of its `layer`, or as its sibling."""
    matrices = [name for name, module in layer.named_modules() if isinstance(module, nn.Linear)]
    roots = {root.module for root in stack.roots}
    for at, root in enumerate(stack.roots):
        others = [name for name in matrices if name in roots or name.rpartition(".")[0] == root.owner]
        yield f"{root.module} dropped", lambda stack, at=at: (_roots(stack, at),)
        changes = {f"named {name}": {"module": name} for name in (*others, f"{root.module}_") if name != root.module}
        if root.kind is Kind.HEADS:
            changes["count misnamed"] = {"count": f"{root.count}_"}
            plain = heads(root.module)
            own = {field.name for field in fields(root)} - {"module", "kind", "role"}  # the stack sets the role
            left = {name: getattr(plain, name) for name in own if getattr(root, name) != getattr(plain, name)}
            changes |= {f"{name} left": {name: value} for name, value in left.items()}
        for label, change in changes.items():
            yield f"{root.module} {label}", lambda stack, at=at, c=change: (_roots(stack, at, c),)


def _with(stack: Stack, **changes: Any) -> Stack:
    """A stack with some fields changed."""
    values = {**{field.name: getattr(stack, field.name) for field in fields(stack)}, **changes}
    return Stack(values.pop("name"), values.pop("path"), *values.pop("roots"), **values)


def _without(stack: Stack, name: str, entry: str) -> Stack:
    return _with(stack, **{name: tuple(other for other in getattr(stack, name) if other != entry)})


def _first(stack: Stack, **changes: Any) -> Stack:
    return _with(stack, first=replace(stack.first, **changes))


def _roots(stack: Stack, at: int, change: dict[str, Any] | None = None) -> Stack:
    """A stack with one root changed, or dropped where there is no change."""
    new = () if change is None else (replace(stack.roots[at], **change),)
    return _with(stack, roots=(*stack.roots[:at], *new, *stack.roots[at + 1 :]))


def tiny(kind: type[Adapter], suite) -> ModelUnderTest:
    return ModelUnderTest.tiny(kind(), suite.config, suite.dtype, suite.tolerance)


def twins(mutant: ModelUnderTest, original: ModelUnderTest) -> bool:
    """Whether a root that is named otherwise names the same group and leads to the same layouts, as `k_proj` does.

    A group may be named by any of its first matrices, and nothing but groups and layouts follows from a root.
    """
    bare = {group.name: () for group in original.groups(Kind.HEADS, Kind.FFN)}
    plans = (PruningPlan(bare), random_plan(original.groups(), 0))
    same = mutant.graph.groups == original.graph.groups
    return same and all(_layout(mutant, plan) == _layout(original, plan) for plan in plans)


def _layout(specimen: ModelUnderTest, plan: PruningPlan):
    live = LivePlan(specimen.graph.groups, plan)
    return compile_layout(specimen.adapter, specimen.config, specimen.graph, live)


def fate(mutant: Mutant, original: ModelUnderTest, suite) -> str:
    """Whether a mutant is ``caught``, a ``twin`` or, if no check fails, has ``survived``."""
    try:
        specimen = tiny(mutant.adapter, suite)
        if " named " in mutant.label and twins(specimen, original):
            return "twin"
        return "caught" if any(True for _ in failures(specimen)) else "survived"
    except Exception:  # no model can be built, or none that is like its adapter
        return "caught"


EVERY_CHANGE = ("Bart",)
"""Adapters whose mutants are made at every change; those of the others are in the full tier."""


_FATES: dict[str, dict[str, str]] = {}


def fates_of(name, suites) -> dict[str, str]:
    """The fate of every mutant of an adapter, by label, in the first of its suites that catches it; found once."""
    if name not in _FATES:
        fates = _FATES[name] = {}
        for suite in suites[name]:
            original = tiny(suite.adapter, suite)
            for mutant in mutants(suite.adapter, suite.config):
                if fates.get(mutant.label, "survived") == "survived":
                    fates[mutant.label] = fate(mutant, original, suite)
    return _FATES[name]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in EVERY_CHANGE else pytest.mark.full) for name in ADAPTERS]
)
def test_every_wrong_declaration_is_caught(suites, name):
    fates = fates_of(name, suites)
    for suite in suites[name]:
        for stack in suite.adapter().stacks(suite.config):
            assert {f"{stack.name} dropped", f"{stack.name} depth misnamed"} < set(fates)
            assert {f"{stack.name} {root.module} dropped" for root in stack.roots} < set(fates)
    left = {label for label, fate in fates.items() if fate == "survived"}
    assert left == {label for adapter, label in EQUIVALENT if adapter == name}


def test_only_first_matrices_of_the_same_group_are_twins(suites):
    assert len(suites["Bart"]) == 1
    fates = fates_of("Bart", suites)
    attentions = ("encoder self_attn", "decoder self_attn", "decoder encoder_attn")
    same = {f"{path}.q_proj named {path.split()[1]}.{other}_proj" for path in attentions for other in "kv"}
    assert {label for label, fate in fates.items() if fate == "twin"} == same
