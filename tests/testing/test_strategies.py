"""The suite for strategies must fail for a strategy that is wrong: one planted fault per check."""

import inspect

import pytest
import torch
from pydantic import Field

from prunekit import PruningPlan, Strategy, checked_layers, prune_to_size_uniform
from prunekit.find.plan import PlanError
from prunekit.testing import StrategySuite
from prunekit.testing.strategies import cached_trial


class Halves(Strategy):
    """Half of the encoder, by magnitude."""

    share: float = Field(0.5, description="how much goes")

    def plan(self, problem, bench):
        groups = problem.widths("encoder")
        max_parameters = problem.max_parameters("encoder", self.share)
        return prune_to_size_uniform(
            groups, bench.scores(groups), problem.sizes["encoder"], max_parameters, problem.round_to
        )


class Mute(Halves):
    share: float = 0.5


class Sloppy(Halves):
    """Takes any option."""

    model_config = {"extra": "allow"}


class Forgetful(Halves):
    """Comes back from JSON as another."""

    secret: float = Field(1.0, exclude=True, description="lost on the way")


class Inventive(Halves):
    """Names a group that is not there."""

    def plan(self, problem, bench):
        return PruningPlan({"encoder.9.ffn": (0,)})


class Hooked(Halves):
    """Leaves a hook behind."""

    def plan(self, problem, bench):
        bench.model.get_encoder().register_forward_hook(lambda *_: None)
        return super().plan(problem, bench)


class Frozen(Halves):
    """Leaves weights frozen."""

    def plan(self, problem, bench):
        next(bench.model.parameters()).requires_grad_(False)
        return super().plan(problem, bench)


class Greedy(Halves):
    """Takes a decoder layer too."""

    def upfront(self, problem, bench):
        return PruningPlan({"decoder.layers": checked_layers(problem, "decoder", 3)})


class Modest(Halves):
    """Takes less than it promised."""

    def plan(self, problem, bench):
        return Halves(share=0.4).plan(problem, bench)


class Hasty(Halves):
    """Takes more than it promised."""

    def plan(self, problem, bench):
        return Halves(share=0.6).plan(problem, bench)


class Moody(Halves):
    """Draws from a generator that nobody seeded."""

    def plan(self, problem, bench):
        groups = problem.widths("encoder")
        scores = {g.name: torch.rand(len(g), generator=GENERATOR) for g in groups}
        return prune_to_size_uniform(
            groups, scores, problem.sizes["encoder"], problem.max_parameters("encoder", 0.5), problem.round_to
        )


GENERATOR = torch.Generator().manual_seed(0)


def suite(given):
    """The suite of an outsider's three lines, as an object whose checks can be called."""

    class TestIt(StrategySuite):
        strategy = given
        families = ("t5",)
        stacks = ("encoder",)
        targets = {"encoder": 0.5}

    return TestIt()


def check(made, name):
    method = getattr(made, name)
    return method(cached_trial(type(made), "t5")) if "trial" in inspect.signature(method).parameters else method()


ON_TRIAL = [
    (Mute, "test_it_is_documented"),
    (Sloppy, "test_unknown_options_are_refused"),
    (Forgetful, "test_options_survive_json"),
    (Halves, "test_it_uses_only_the_public_door"),  # this file imports `prunekit.find.groups`
    (Hooked, "test_it_leaves_no_traces"),
    (Frozen, "test_it_leaves_no_traces"),
    (Greedy, "test_other_stacks_lose_nothing"),
    (Modest, "test_targets_are_met_from_above"),
    (Hasty, "test_targets_are_met_from_above"),
    (Moody, "test_the_same_seed_gives_the_same_plan"),
]


@pytest.mark.parametrize(("wrong", "name"), ON_TRIAL, ids=lambda value: getattr(value, "__name__", value))
def test_a_planted_fault_is_found(wrong, name):
    strategy = wrong(secret=2.0) if wrong is Forgetful else wrong()
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(suite(strategy), name)


def test_a_plan_for_another_model_is_found():
    with pytest.raises(PlanError, match="does not have"):
        check(suite(Inventive()), "test_its_plans_are_valid")


def test_a_right_strategy_passes_every_other_check():
    made = suite(Halves())
    names = [name for name in dir(made) if name.startswith("test_") and name != "test_it_uses_only_the_public_door"]
    assert len(names) == 10
    for name in names:
        check(made, name)


def test_every_check_says_what_it_is_about():
    for name, check in vars(StrategySuite).items():
        assert not name.startswith("test_") or check.__doc__
