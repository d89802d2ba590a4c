"""What recovery starts from, and how long a budget lets it last."""

import copy
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from prunekit import Distillation, PruningPlan, prune
from prunekit._support.recovery_stage import RecoveryStage
from prunekit.learn.training.budget import StepCost
from prunekit.learn.training.phase import TrainingPhase, TrainingStage
from prunekit.pipeline import recovery
from prunekit.pipeline.recovery import (
    affordable_steps,
    forget_weights,
    recovered_stages,
    recovery_phase,
    steps_by_share,
    steps_for_seconds,
    with_steps,
)
from prunekit.recipe import BudgetSection, RecoverySection
from prunekit.report.sections import RecoveredStage


def bench(spent_examples=0, spent_seconds=0.0):
    budget = SimpleNamespace(examples=spent_examples, seconds=spent_seconds)
    counter = SimpleNamespace(steps=lambda examples: examples // 4)
    return SimpleNamespace(context=SimpleNamespace(budget=budget, step_counter=counter), trainer=None)


def priced(monkeypatch, **costs):
    """Steps cost what is told by what is frozen in them; returns what was asked."""
    asked = []

    def cost_of(trainer, phase, seconds):
        asked.append((phase, seconds))
        return costs["".join(phase.frozen_stacks) or "nothing"]

    monkeypatch.setattr(recovery, "estimate_step_cost", cost_of)
    return asked


STAGED = RecoverySection(stages=[{"frozen": ["encoder"], "share": 3}, {"share": 2, "rate": 0.3}])


def test_a_budget_of_examples_leaves_what_learning_did_not_see():
    asked = BudgetSection(examples=100)
    assert affordable_steps(asked, RecoverySection(), bench()) == [25]
    assert affordable_steps(asked, RecoverySection(), bench(spent_examples=40)) == [15]
    assert affordable_steps(asked, STAGED, bench(spent_examples=40)) == [9, 6]


def test_the_tighter_of_two_limits_counts(monkeypatch):
    asked = priced(monkeypatch, encoder=StepCost(0.5, 0.5, 4))
    frozen = RecoverySection(frozen=("encoder",))
    both = BudgetSection(examples=100, cpu_seconds=10.0)
    losses = Distillation.of(frozen.distillation)
    assert affordable_steps(both, frozen, bench(spent_seconds=4.0)) == [12]
    assert affordable_steps(both, frozen, bench(spent_examples=80)) == [5]
    assert (
        asked == [(TrainingPhase(losses, frozen_stacks=("encoder",)), 0.3)] * 2
    )  # 3% of ten seconds are spent on timing


def test_stages_share_the_seconds_and_not_the_steps(monkeypatch):
    """60 seconds: 36 for 10 fresh steps and 52 cached ones, and 24 for 12 of 2 seconds."""
    asked = priced(monkeypatch, encoder=StepCost(1.0, 0.5, 10), nothing=StepCost(2.0, 2.0, 10))
    budget = BudgetSection(cpu_seconds=100.0)
    assert affordable_steps(budget, STAGED, bench(spent_seconds=40.0)) == [62, 12]
    assert [seconds for _, seconds in asked] == pytest.approx([1.8, 1.2])


def test_examples_that_run_out_first_shorten_all_stages_alike(monkeypatch):
    """By shares of the steps, the second would have 15 of 37 and take longer than the seconds allow."""
    priced(monkeypatch, encoder=StepCost(1.0, 0.5, 10), nothing=StepCost(2.0, 2.0, 10))
    both = BudgetSection(examples=148, cpu_seconds=60.0)
    assert affordable_steps(both, STAGED, bench()) == [31, 6]


def test_a_budget_that_is_spent_leaves_one_step(monkeypatch):
    priced(monkeypatch, encoder=StepCost(1.0, 0.5, 10), nothing=StepCost(2.0, 2.0, 10))
    spent = bench(spent_seconds=200.0)
    assert affordable_steps(BudgetSection(cpu_seconds=100.0), STAGED, spent) == [1, 0]


@given(
    st.lists(st.tuples(st.sampled_from([(), ("encoder",)]), st.integers(0, 5)), min_size=1, max_size=4),
    st.integers(1, 20),
    st.integers(0, 400),
)
def test_the_seconds_suffice_for_what_the_stages_take(stages, epoch, seconds):
    """By a cache acted out: what a frozen encoder has seen since it froze is cached, and lost once it thaws."""
    if not any(share for _, share in stages):
        return
    sections = [RecoveryStage(frozen=frozen, share=share) for frozen, share in stages]
    costs = [StepCost(3, 1, epoch) if frozen else StepCost(5, 5, epoch) for frozen, _ in stages]
    steps = steps_for_seconds(sections, costs, seconds)
    spent, seen = 0, 0
    for (frozen, _), own in zip(stages, steps, strict=True):
        seen = seen if frozen else 0
        for _ in range(own):
            spent += 5 if not frozen else 3 if seen < epoch else 1
            seen += bool(frozen)
    assert spent <= seconds or sum(steps) == 1
    assert spent > seconds - 5 * len(stages) or sum(steps) == 1


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=8).filter(any), st.integers(0, 10**7))
def test_stages_have_all_steps_between_them(shares, total):
    steps = steps_by_share(shares, total)
    assert sum(steps) == total
    assert all(0 <= own <= total for own in steps)
    whole = sum(map(Fraction, shares))
    for share, own in zip(shares, steps, strict=True):
        assert abs(own - total * Fraction(share) / whole) <= 1 + Fraction(1, 1000)


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=6).filter(any))
def test_a_resolved_recovery_has_the_same_stages_again(steps):
    asked = RecoverySection(stages=[{"share": 1, "rate": 1 + n} for n in range(len(steps))])
    resolved = with_steps(asked, steps)
    again = RecoverySection.parse(yaml.safe_load(yaml.safe_dump(resolved.model_dump(mode="json"))))
    assert again == resolved
    assert [stage.steps for stage in recovery_phase(again).stages] == steps


def test_a_recovery_without_stages_is_one():
    found = recovery_phase(RecoverySection(frozen=("decoder",), steps=7, learning_rate=0.5))
    assert found.parts == (TrainingStage(7, ("decoder",)),)
    assert (found.steps, found.learning_rate) == (7, 0.5)
    assert with_steps(RecoverySection(), [3]) == RecoverySection(steps=3)


def test_what_recovery_was_ends_where_readings_ended_it():
    phase = recovery_phase(STAGED.model_copy(update={"steps": 10}))
    assert [stage.steps for stage in recovered_stages(phase, 10)] == [6, 4]
    assert list(recovered_stages(phase, 5)) == [RecoveredStage(frozen=("encoder",), steps=5)]
    assert list(recovered_stages(recovery_phase(RecoverySection(steps=9)), 9)) == []


def test_random_weights_have_the_pruned_shape_and_follow_the_seed(state):
    plan = PruningPlan({"decoder.layers": (0, 2), "encoder.0.self.heads": (1,), "encoder.1.ffn": (0, 5)})
    opened = state()
    dense = copy.deepcopy(opened.pruned.model)
    config = opened.dense_config
    prune(opened.pruned.model, plan, opened.pruned.adapter)
    shapes = {name: value.shape for name, value in opened.pruned.model.state_dict().items()}
    found = []
    for seed in (0, 0, 1):
        forget_weights(opened.pruned, plan, copy.deepcopy(config), seed)
        found.append(copy.deepcopy(opened.pruned.model.state_dict()))
    name = "decoder.block.1.layer.2.DenseReluDense.wi.weight"
    assert {key: value.shape for key, value in found[0].items()} == shapes
    assert torch.equal(found[0][name], found[1][name])
    assert not torch.equal(found[0][name], found[2][name])
    assert not torch.equal(found[0][name], dense.state_dict()["decoder.block.2.layer.2.DenseReluDense.wi.weight"])
