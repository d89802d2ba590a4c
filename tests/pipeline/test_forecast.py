"""What a run will come to."""

import itertools
import shutil
from types import SimpleNamespace

import pytest

from prunekit.learn.training.budget import StepCost
from prunekit.pipeline import forecast as forecasts
from prunekit.pipeline.expected import expected_work
from prunekit.pipeline.forecast import forecast, is_worth_timing, training_steps
from prunekit.pipeline.run import run


@pytest.mark.parametrize(
    ("more", "steps"),
    [
        ({"recovery": {"steps": 5}}, 5),
        ({"recovery": {"steps": 5}, "teacher": {"steps": 2}}, 7),
        ({"options": {"steps": 3}}, 3),
        ({"budget": {"examples": 20}}, 5),  # eight rows are two steps of four an epoch
        ({"budget": {"cpu_seconds": 3.0}}, None),
    ],
)
def test_steps_are_those_of_all_trainings(state, more, steps):
    opened = state(**more)
    assert training_steps(opened, expected_work(opened).phases) == steps


def test_only_long_trainings_are_worth_it(state):
    assert not is_worth_timing(state(recovery={"steps": 5}))
    assert is_worth_timing(state(recovery={"steps": 500}))
    assert is_worth_timing(state(budget={"examples": 20}))


def test_nothing_is_timed_unless_it_is_asked_for(state):
    found = forecast(state(options={"decoder_layers": 1}), None)
    assert found.shape.decoder_layers == 1
    assert found.shape.speedup is None
    assert found.seconds is None


def test_longer_trainings_take_longer_and_leave_no_trace(state):
    opened = state(recovery={"steps": 10}, options={"decoder_layers": 1})
    before = {name: value.clone() for name, value in opened.dense.model.state_dict().items()}
    short = forecast(opened, 1.0)
    long = forecast(state(recovery={"steps": 10_000}, options={"decoder_layers": 1}), 1.0)
    assert long.seconds > 10 * short.seconds
    assert short.shape.speedup > 0
    after = opened.dense.model.state_dict()
    assert all((after[name] == value).all() for name, value in before.items())
    assert not opened.directory.path.exists()


def test_every_stage_of_recovery_has_its_own_cost(state, monkeypatch):
    """Eight rows are two steps of four; a frozen encoder's states are cached from the third step on."""
    costs = {("encoder",): StepCost(100.0, 10.0, 0), (): StepCost(1000.0, 1000.0, 0)}
    monkeypatch.setattr(forecasts, "estimate_step_cost", lambda trainer, phase: costs[tuple(phase.frozen_stacks)])
    ticks = itertools.count()
    monkeypatch.setattr(forecasts, "clock", lambda device: next(ticks))
    monkeypatch.setattr(forecasts, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    frozen = {"frozen": ["encoder"]}
    stages = [{**frozen, "share": 1}, {**frozen, "share": 3}, {"share": 2}, {**frozen, "share": 4}]
    opened = state(strategy="depth", options={"decoder_layers": 1}, recovery={"steps": 10, "stages": stages})
    found = forecasts._training_seconds(opened, expected_work(opened))
    assert found == 100 + (100 + 2 * 10) + 2 * 1000 + (2 * 100 + 2 * 10)


@pytest.mark.parametrize("options", [{"decoder_layers": 1}, {"decoder_layers": None}])
def test_trainings_with_a_teacher_are_timed_whatever_is_removed(state, options):
    """Where nothing is, student and teacher are copies of one model; the teacher's own training has none."""
    distillation = {"logits": 1.0, "encoder_hidden": 0.0}
    phases = {
        "teacher": {"steps": 2, "distillation": distillation},
        "recovery": {"steps": 2, "distillation": distillation},
    }
    assert forecast(state(strategy="depth", options=options, **phases), 1.0).seconds > 1.0


def test_the_model_learns_after_it_was_the_teacher_of_a_forecast(state):
    taught = {"logits": 0.5, "encoder_hidden": 0.0}
    opened = state(recovery={"steps": 10, "distillation": taught}, options={"decoder_layers": 1, "steps": 5})
    before = [parameter.requires_grad for parameter in opened.dense.model.parameters()]
    assert forecast(opened, 1.0).seconds > 0
    assert [parameter.requires_grad for parameter in opened.dense.model.parameters()] == before


def test_the_disk_suffices_for_what_a_run_leaves(state):
    opened = state(recovery={"steps": 4}, options={"decoder_layers": 1})
    found = forecast(opened, None)
    run(opened.recipe)
    weights = sum(path.stat().st_size for path in (opened.directory.path / "model").glob("*.safetensors"))
    assert weights < found.disk
    assert found.free == pytest.approx(shutil.disk_usage(opened.directory.path.parent).free, rel=0.2)
