"""The bench: losses of plans against models that are really cut, and prices that leave everything as it was."""

import dataclasses
import itertools
import json
import math

import pytest
import torch

from prunekit import PruningPlan
from prunekit.data.processors import TextProcessor
from prunekit.data.tasks import from_files
from prunekit.find.plan import groups_after
from prunekit.learn.bench import LABELS, Bench
from prunekit.learn.training import step_cost
from prunekit.learn.training.distillation import Distillation
from prunekit.learn.training.step_cost import TIMED, WARM_UP, estimate_step_cost, spread_batches
from prunekit.recipe import TaskSection

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


@pytest.mark.parametrize("logits", [0.0, 0.5])
def test_a_price_is_found_on_a_copy(bench, logits, tmp_path):
    before = {name: value.clone() for name, value in bench.model.state_dict().items()}
    found = estimate_step_cost(bench, Distillation(logits=logits, encoder_hidden=0.0))
    assert found.fresh > 0
    assert found.cached > 0
    assert found.epoch == 4
    assert all(torch.equal(value, before[name]) for name, value in bench.model.state_dict().items())
    assert not bench.model.training
    assert bench.teacher.cache.rows == {}
    assert bench.context.budget.examples == 0
    assert not (tmp_path / "work").exists()
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, 2.0), (15.0, 2.0), (200.0, 1.0)])
def test_a_price_watched_for_longer_does_not_hang_on_a_bad_moment(bench, monkeypatch, seconds, expected):
    """Steps take two seconds while a neighbour works, for as long as the first look lasts, and one second after."""
    times = itertools.accumulate(itertools.chain([0.0], [2.0] * (WARM_UP + TIMED), itertools.repeat(1.0)))
    monkeypatch.setattr(step_cost, "clock", lambda device: next(times))
    assert estimate_step_cost(bench, LABELS, seconds=seconds).fresh == pytest.approx(expected)


def test_a_teacher_that_is_known_by_heart_costs_nothing_more(bench):
    losses = Distillation(logits=0.5, encoder_hidden=0.0)
    bench.teacher.cache.rows = {(row, losses.temperature): torch.zeros(1) for row in range(8)}
    found = estimate_step_cost(bench, losses)
    assert found.fresh == found.cached


@pytest.mark.parametrize("limit", [10**9, 10])
def test_a_teacher_is_asked_again_where_its_answers_do_not_fit(bench, limit):
    asked = []
    bench.teacher.cache.limit = limit
    bench.teacher.model.register_forward_hook(lambda *_: asked.append(1))
    estimate_step_cost(bench, Distillation(logits=0.5, encoder_hidden=0.0))
    if limit > 10:
        assert len(asked) == 4  # eight rows, two at a time, each of them once
    else:
        assert len(asked) > WARM_UP + TIMED


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_frozen_encoder_runs_once_for_every_row_and_without_noise(bench, dropout):
    runs = []
    section = bench.context.training.model_copy(update={"dropout": dropout})
    bench.context = dataclasses.replace(bench.context, training=section)
    first = next(m for m in bench.model.get_encoder().modules() if isinstance(m, torch.nn.Embedding))
    first.register_forward_hook(lambda module, *_: runs.append(module.training))
    bench.train(LABELS, steps=12, frozen_stacks=("encoder",))
    assert len(runs) == 4  # eight rows, two at a time
    assert runs == [False] * 4


def test_probed_batches_are_like_an_epochs(letters, tmp_path):
    """Their mean length is that of all rows, where the first batches of a sorted epoch are its longest."""
    lengths = [1 + n % 20 for n in range(600)]
    path = tmp_path / "long.jsonl"
    path.write_text("".join(json.dumps({"a": " ".join("a" * n), "b": "b"}) + "\n" for n in lengths))
    section = TaskSection(train=str(path), eval=str(path), source="a", target="b", metric="exact_match")
    rows = TextProcessor(letters, section).encode(from_files(section).train)
    chosen = spread_batches(rows, 4, WARM_UP + TIMED, seed=0)
    assert len(chosen) == 4 * (WARM_UP + TIMED)
    probed = [len(chosen[n]["source"]) for n in range(len(chosen))]
    batches = [probed[start : start + 4] for start in range(0, len(probed), 4)]
    assert max(max(batch) - min(batch) for batch in batches) <= 2, "rows of like length share a batch"
    everything = [len(rows[n]["source"]) for n in range(len(rows))]
    assert math.isclose(sum(probed) / len(probed), sum(everything) / len(everything), rel_tol=0.15)
