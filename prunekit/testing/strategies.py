"""The kit for strategies: a suite of checks that an outsider's test file takes over in three lines."""

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

    A test file of three lines is enough; give the strategy few steps, a model of 50,000 parameters needs no more:

        class TestHalves(StrategySuite):
            strategy = Halves(encoder_sparsity=0.5)
            stacks, targets = ("encoder", "decoder"), {"encoder": 0.5}

    `stacks` are the stacks that the strategy may prune, `targets` what it promises of the ``encoder``, ``decoder``,
    ``non_embedding`` or ``total`` sparsity. Every check is a method whose name is its id; what it says when it fails
    is what to mend.
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
        """What the strategy did to the tiny model of a family; tried once."""
        return tried(type(self), family)

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
        """The first answer speaks of the dense model, the second of what the first left; numbers are the original's."""
        trial.upfront.validate(trial.problem.groups)
        trial.plan.validate(trial.second.groups)

    def test_it_never_grows_the_model(self, trial: StrategyTrial) -> None:
        """And the size counted for its plan is that of the model that was cut."""
        real = sum(parameter.numel() for parameter in trial.model.parameters())
        assert real == trial.problem.sizes["total"].of(trial.whole)
        assert real <= trial.problem.whole["total"], "the plan must not add parameters"

    def test_it_leaves_no_traces(self, trial: StrategyTrial) -> None:
        """Hooks, gates, modes and frozen weights are the bench's business."""
        for what, before in trial.before.items():
            assert trial.after[what] == before, f"after plan() the model's {what} must be as they were"

    def test_masked_equals_cut(self, trial: StrategyTrial) -> None:
        """Law 1 for both of its plans, after whatever it trained."""
        for proof in trial.proofs:
            assert proof.tokens_equal, "the cut model generates other tokens than the masked one"
            assert proof.max_rel_diff <= TOLERANCE, "the cut model's logits are not those of the masked one"

    def test_other_stacks_lose_nothing(self, trial: StrategyTrial) -> None:
        """A stack that was not to be pruned keeps every unit."""
        for group in trial.problem.groups:
            if group.stack and group.stack not in self.stacks:
                kept = trial.whole.kept.get(group.name, group.ids)
                assert kept == group.ids, f"{group.name} lost units; name its stack in `stacks` if that is meant"

    def test_targets_are_met_from_above(self, trial: StrategyTrial) -> None:
        """At least what was promised goes, and less than one rounding step more."""
        for part, sparsity in self.targets.items():
            left, most = trial.problem.sizes[part].of(trial.whole), trial.problem.max_parameters(part, sparsity)
            assert left <= most, f"{left} parameters stay of the {part}, but at {sparsity:.0%} at most {most:.0f} may"
            assert most - left < step(trial, part, self.round_to), f"the {part} loses more than the target asks"

    def test_the_same_seed_gives_the_same_plan(self) -> None:
        """Draw random numbers from a generator seeded with `problem.seed` only."""
        first, second = tried(type(self), self.families[0]), _tried_anew(type(self), self.families[0])
        assert second.upfront == first.upfront, "upfront() must give the same plan for the same seed"
        assert second.plan == first.plan, "plan() must give the same plan for the same seed"


_TRIED: dict[tuple[type[StrategySuite], str], StrategyTrial] = {}


def tried(suite: type[StrategySuite], family: str) -> StrategyTrial:
    """The one trial of a suite on a family that its checks share."""
    if (suite, family) not in _TRIED:
        _TRIED[suite, family] = _tried_anew(suite, family)
    return _TRIED[suite, family]


def _tried_anew(suite: type[StrategySuite], family: str) -> StrategyTrial:
    with tempfile.TemporaryDirectory() as directory:
        return try_out(suite.strategy, family, Path(directory), suite.round_to)


def step(trial: StrategyTrial, part: str, round_to: int) -> int:
    """The most parameters of a part that hang on one step of one group, as the plan leaves the others."""
    size, groups, plan = trial.problem.sizes[part], trial.problem.groups, trial.whole
    layers = keep_values((group for group in groups if group.kind is Kind.LAYERS), plan)
    counts = {g.name: len(plan.of(g)) for g in groups if g.kind is not Kind.LAYERS}
    left, steps = size.counted(counts, layers), [0]
    for group in groups:
        if group.kind in (Kind.HEADS, Kind.FFN, Kind.HIDDEN) and counts[group.name]:
            more = counts[group.name] + (1 if group.kind is Kind.HEADS else round_to)
            steps.append(size.counted({**counts, group.name: more}, layers) - left)
    return max(steps)
