"""The kit for strategies: a suite of checks that an outsider's test file takes over in a few lines."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind
from prunekit.find.size import keep_values
from prunekit.learn.strategy import Strategy, build
from prunekit.measure.equivalence import TOLERANCE
from prunekit.testing.public_door import private_imports
from prunekit.testing.trials import StrategyTrial, try_out


class StrategySuite:
    """What every strategy must hold, on tiny models of several families, trained on random pairs.

    A test file of a few lines is enough; give the strategy few steps, a model of 50,000 parameters needs no more:

        class TestHalves(StrategySuite):
            strategy = Halves(encoder_sparsity=0.5)
            stacks = ("encoder", "decoder")
            targets = {"encoder": 0.5}

    `stacks` are the stacks that the strategy may prune, `targets` the ``encoder``, ``decoder``, ``non_embedding`` or
    ``total`` sparsity that it promises. Every check is a method whose name is its id; the message of a failed check
    says what to change.
    """

    strategy: ClassVar[Strategy]
    families: ClassVar[tuple[str, ...]] = ("t5", "t5-gated", "mt5", "bart")
    stacks: ClassVar[tuple[str, ...]] = ("encoder", "decoder")
    targets: ClassVar[Mapping[str, float]] = {}
    round_to: ClassVar[int] = 4

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Every check that looks at a trial, for every family."""
        if "family" in metafunc.fixturenames:
            metafunc.parametrize("family", metafunc.cls.families)

    @pytest.fixture
    def trial(self, family: str) -> StrategyTrial:
        """The strategy tried on the tiny model of a family, once for all checks."""
        return cached_trial(type(self), family)

    def test_it_is_documented(self) -> None:
        """A docstring of its own, a description for every option."""
        kind = type(self.strategy)
        assert kind.__doc__, "say in the docstring's first line what the strategy does"
        bare = [name for name, field in kind.model_fields.items() if not field.description]
        assert not bare, f"give these options a Field(..., description=...): {bare}"

    def test_unknown_options_are_refused(self) -> None:
        """A misspelt option must not pass unnoticed."""
        with pytest.raises(PrunekitError, match="no_such_option"):
            build(type(self.strategy), {**self.strategy.model_dump(), "no_such_option": 1})

    def test_options_survive_json(self) -> None:
        """Recipes and reports store options as JSON."""
        again = type(self.strategy).model_validate_json(self.strategy.model_dump_json())
        assert again == self.strategy, "options must be the same after model_dump_json and model_validate_json"

    def test_it_uses_only_the_public_door(self) -> None:
        """What is not exported by `prunekit` itself may change from one version to the next."""
        inner = private_imports(type(self.strategy))
        assert not inner, f"import these from `prunekit` itself or do without them: {inner}"

    def test_its_plans_are_valid(self, trial: StrategyTrial) -> None:
        """The first plan is about the dense model, the second about what the first left; numbers are the original's."""
        trial.upfront.validate(trial.problem.groups)
        trial.plan.validate(trial.later_problem.groups)

    def test_it_never_grows_the_model(self, trial: StrategyTrial) -> None:
        """And the size counted for its plan is that of the model that was cut."""
        real = sum(parameter.numel() for parameter in trial.model.parameters())
        assert real == trial.problem.sizes["total"].of(trial.both_plans)
        assert real <= trial.problem.whole["total"], "the plan must not add parameters"

    def test_it_leaves_no_traces(self, trial: StrategyTrial) -> None:
        """Hooks, gates, modes and frozen weights are the bench's business."""
        for what, before in trial.before.items():
            assert trial.after[what] == before, f"after plan() the model's {what} must be as they were"

    def test_masked_equals_cut(self, trial: StrategyTrial) -> None:
        """Law 1 for both of its plans, after any training."""
        for proof in trial.proofs:
            assert proof.tokens_equal, "the cut model generates other tokens than the masked one"
            assert proof.max_rel_diff <= TOLERANCE, "the cut model's logits are not those of the masked one"

    def test_other_stacks_lose_nothing(self, trial: StrategyTrial) -> None:
        """A stack that was not to be pruned keeps every unit."""
        for group in trial.problem.groups:
            if group.stack and group.stack not in self.stacks:
                kept = trial.both_plans.kept.get(group.name, group.ids)
                assert kept == group.ids, f"{group.name} lost units; name its stack in `stacks` if that is meant"

    def test_targets_are_met_from_above(self, trial: StrategyTrial) -> None:
        """At least the promised share is removed, and less than one rounding step more."""
        for part, sparsity in self.targets.items():
            kept = trial.problem.sizes[part].of(trial.both_plans)
            most = trial.problem.max_parameters(part, sparsity)
            assert kept <= most, (
                f"the {part} keeps {kept} parameters; at {sparsity:.0%} sparsity it may keep {most:.0f}"
            )
            assert most - kept < largest_step(trial, part, self.round_to), f"the {part} loses more than the target asks"

    def test_the_same_seed_gives_the_same_plan(self) -> None:
        """Draw random numbers from a generator seeded with `problem.seed` only."""
        first = cached_trial(type(self), self.families[0])
        again = _new_trial(type(self), self.families[0])
        assert again.upfront == first.upfront, "upfront() must give the same plan for the same seed"
        assert again.plan == first.plan, "plan() must give the same plan for the same seed"


_TRIALS: dict[tuple[type[StrategySuite], str], StrategyTrial] = {}


def cached_trial(suite: type[StrategySuite], family: str) -> StrategyTrial:
    """The one trial of a suite on a family that its checks share."""
    if (suite, family) not in _TRIALS:
        _TRIALS[suite, family] = _new_trial(suite, family)
    return _TRIALS[suite, family]


def _new_trial(suite: type[StrategySuite], family: str) -> StrategyTrial:
    with tempfile.TemporaryDirectory() as directory:
        return try_out(suite.strategy, family, Path(directory), suite.round_to)


def largest_step(trial: StrategyTrial, part: str, round_to: int) -> int:
    """The most parameters of a part that one more head, or `round_to` more units, of any group would add."""
    size = trial.problem.sizes[part]
    groups = trial.problem.groups
    plan = trial.both_plans
    layers = keep_values((group for group in groups if group.kind is Kind.LAYERS), plan)
    counts = {group.name: len(plan.of(group)) for group in groups if group.kind is not Kind.LAYERS}
    kept = size.counted(counts, layers)
    steps = [0]
    for group in groups:
        if group.kind in (Kind.HEADS, Kind.FFN, Kind.HIDDEN) and counts[group.name]:
            more = counts[group.name] + (1 if group.kind is Kind.HEADS else round_to)
            steps.append(size.counted({**counts, group.name: more}, layers) - kept)
    return max(steps)
