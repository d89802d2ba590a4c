"""The cost of a step, by a clock that counts forward passes; measuring it leaves everything as it was."""

import dataclasses
import itertools
import json
import math

import pytest
import torch

from prunekit.data.encoded import EncodedDataset
from prunekit.data.tasks import from_files
from prunekit.data.text import TextProcessor
from prunekit.learn.training import callbacks
from prunekit.learn.training.distillation import LABELS_ONLY, Distillation
from prunekit.learn.training.phase import TrainingPhase
from prunekit.learn.training.phase_trainer import PhaseTrainer
from prunekit.learn.training.step_cost import TIMED, WARM_UP, estimate_step_cost, spread_batches
from prunekit.recipe import TaskSection

TAUGHT = Distillation(logits=0.5, encoder_hidden=0.0)
STUDENT, TEACHER, ENCODER = 1, 5, 3
"""What a forward pass of each costs by the test's clock; the encoder's is that of its first layer."""


def costing(module, clock, ticks):
    module.register_forward_hook(lambda *_: clock.append(ticks))


@pytest.fixture
def trainer(bench, monkeypatch):
    """A trainer with 48 rows in batches of 2, so that no batch is timed twice, and a clock of forward passes."""
    rows = bench.context.train
    many = EncodedDataset(
        [rows[n % 8]["source"] for n in range(48)], rows.lengths * 6, [rows[n % 8]["labels"] for n in range(48)]
    )
    spent = []
    monkeypatch.setattr(callbacks, "clock", lambda device: sum(spent))
    costing(bench.model, spent, STUDENT)
    encoder = next(group for group in bench.groups if group.name == "encoder.layers")
    costing(bench.model.get_submodule(f"{encoder.path}.0"), spent, ENCODER)
    costing(bench.teacher.model, spent, TEACHER)
    return PhaseTrainer(bench.model, bench.groups, dataclasses.replace(bench.context, train=many), bench.teacher)


@pytest.mark.parametrize(
    ("phase", "fresh", "cached"),
    [
        (TrainingPhase(LABELS_ONLY), STUDENT + ENCODER, STUDENT + ENCODER),
        (TrainingPhase(TAUGHT), STUDENT + ENCODER + TEACHER, STUDENT + ENCODER),
        (TrainingPhase(LABELS_ONLY, frozen_stacks=("encoder",)), STUDENT + ENCODER, STUDENT),
        (TrainingPhase(TAUGHT, frozen_stacks=("encoder",)), STUDENT + ENCODER + TEACHER, STUDENT),
        (TrainingPhase(Distillation(logits=0.5)), *[STUDENT + ENCODER + TEACHER] * 2),  # hidden states: no cache
    ],
    ids=["labels", "teacher", "frozen", "both", "hidden states"],
)
def test_a_step_costs_what_runs_in_it(trainer, phase, fresh, cached):
    """All layers of the teacher run where hidden states are compared; elsewhere its predictions are cached."""
    found = estimate_step_cost(trainer, phase)
    assert (found.fresh, found.cached, found.steps_per_epoch) == (fresh, cached, 24)


@pytest.mark.parametrize("distillation", [LABELS_ONLY, TAUGHT])
def test_measuring_changes_nothing(bench, distillation, tmp_path):
    before = {name: value.clone() for name, value in bench.model.state_dict().items()}
    found = estimate_step_cost(bench.trainer, TrainingPhase(distillation))
    assert found.steps_per_epoch == 4
    assert all(torch.equal(value, before[name]) for name, value in bench.model.state_dict().items())
    assert not bench.model.training
    assert bench.teacher.cache.states == {}
    assert bench.context.budget.examples == 0
    assert not (tmp_path / "work").exists()
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, 2.0), (15.0, 2.0), (200.0, 1.0)])
def test_timing_for_longer_does_not_depend_on_a_bad_moment(bench, monkeypatch, seconds, expected):
    """Steps take two seconds while a neighbour works, for as long as the first look lasts, and one second after."""
    times = itertools.accumulate(itertools.chain([0.0], [2.0] * (WARM_UP + TIMED), itertools.repeat(1.0)))
    monkeypatch.setattr(callbacks, "clock", lambda device: next(times))
    found = estimate_step_cost(bench.trainer, TrainingPhase(LABELS_ONLY), seconds=seconds)
    assert found.fresh == pytest.approx(expected)


def test_a_teacher_whose_predictions_are_cached_costs_nothing_more(bench):
    bench.teacher.cache.states = {(row, TAUGHT.temperature): torch.zeros(1) for row in range(8)}
    found = estimate_step_cost(bench.trainer, TrainingPhase(TAUGHT))
    assert found.fresh == found.cached


@pytest.mark.parametrize("limit", [10**9, 10])
def test_a_teacher_is_asked_again_where_its_answers_do_not_fit(bench, limit):
    asked = []
    bench.teacher.cache.limit = limit
    bench.teacher.model.register_forward_hook(lambda *_: asked.append(1))
    estimate_step_cost(bench.trainer, TrainingPhase(TAUGHT))
    if limit > 10:
        assert len(asked) == 4  # eight rows, two at a time, each of them once
    else:
        assert len(asked) > WARM_UP + TIMED


def test_timed_batches_are_like_an_epochs(letters, tmp_path):
    """Their mean length is that of all rows, where the first batches of a sorted epoch are its longest."""
    lengths = [1 + n % 20 for n in range(600)]
    path = tmp_path / "long.jsonl"
    path.write_text("".join(json.dumps({"a": " ".join("a" * n), "b": "b"}) + "\n" for n in lengths))
    section = TaskSection(train=str(path), eval=str(path), source="a", target="b", metric="exact_match")
    rows = TextProcessor(letters, section).encode(from_files(section).train)
    chosen = spread_batches(rows, 4, WARM_UP + TIMED, seed=0)
    assert len(chosen) == 4 * (WARM_UP + TIMED)
    timed = [len(chosen[n]["source"]) for n in range(len(chosen))]
    batches = [timed[start : start + 4] for start in range(0, len(timed), 4)]
    assert max(max(batch) - min(batch) for batch in batches) <= 2, "rows of like length share a batch"
    everything = [len(rows[n]["source"]) for n in range(len(rows))]
    assert math.isclose(sum(timed) / len(timed), sum(everything) / len(everything), rel_tol=0.15)
