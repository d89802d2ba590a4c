"""The bench: losses of plans against models that are really cut, and what training charges and leaves."""

import pytest
import torch

from prunekit import PruningPlan
from prunekit.errors import PrunekitError
from prunekit.find.plan import groups_after
from prunekit.learn.bench import Bench

KINDS = {"heads", "ffn", "layers"}


def half(groups):
    """A plan that drops a layer of the decoder and some units of every kind that can go."""
    kept = {group.name: group.ids[: max(1, len(group) // 2)] for group in groups if group.kind in KINDS}
    return PruningPlan({**kept, "encoder.layers": next(g.ids for g in groups if g.name == "encoder.layers")})


def test_the_loss_of_a_plan_is_that_of_the_cut_model(bench, every, loss_by_hand):
    plan = half(bench.groups)
    assert bench.loss(PruningPlan()) == pytest.approx(loss_by_hand(every.model, bench.context.dev), rel=1e-5)
    assert bench.loss(plan) == pytest.approx(loss_by_hand(every.cut(plan), bench.context.dev), rel=1e-4)


def test_a_plan_for_a_model_that_was_cut_before_speaks_of_the_original(bench, every, loss_by_hand):
    last = next(g.ids for g in bench.groups if g.name == "decoder.layers")[-1:]
    before = PruningPlan({"decoder.layers": last})
    live = groups_after(every.graph.groups, before)
    left = Bench(every.cut(before), bench.context, bench.evaluate_model, live)
    plan = PruningPlan({name: ids for name, ids in half(live).kept.items() if name != "decoder.layers"})
    expected = loss_by_hand(every.cut(before.then(plan)), bench.context.dev)
    assert left.loss(plan) == pytest.approx(expected, rel=1e-4)


def test_measuring_a_loss_changes_nothing(bench):
    bench.model.train()
    before = {name: value.clone() for name, value in bench.model.state_dict().items()}
    first = bench.loss(half(bench.groups))
    assert bench.loss(half(bench.groups)) == first  # with dropout it would not be
    assert bench.model.training
    assert all(torch.equal(value, before[name]) for name, value in bench.model.state_dict().items())


def test_scoring_on_batches_is_charged_and_scoring_by_weights_is_not(bench):
    groups = [group for group in bench.groups if group.kind == "ffn"]
    bench.scores(groups)
    assert bench.context.budget.examples == 0
    bench.scores(groups, by="first_order", batches=3)
    assert bench.context.budget.examples == 6
    bench.reconstruction(groups, batches=100)
    assert bench.context.budget.examples == 6 + 8  # there are no more than eight rows


def test_training_beyond_the_budget_is_refused_before_it_begins(bench, tmp_path):
    bench.context.budget.max_examples = 9
    before = {name: value.clone() for name, value in bench.model.state_dict().items()}
    with pytest.raises(PrunekitError, match=r"needs 10 training examples"):
        bench.train(steps=5)
    assert all(torch.equal(value, before[name]) for name, value in bench.model.state_dict().items())
    assert not (tmp_path / "work").exists()


def test_no_steps_are_no_phase(bench, tmp_path):
    bench.train(steps=0)
    bench.train(steps=1)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["learn-1"]


def test_the_bench_evaluates_the_live_model(bench):
    asked = []
    own = Bench(bench.model, bench.context, lambda model: asked.append(model) or 0.75, bench.groups)
    assert own.evaluate() == 0.75
    assert asked == [bench.model]
