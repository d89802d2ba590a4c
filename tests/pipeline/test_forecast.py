"""What a run will come to."""

import shutil

import pytest

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
    from prunekit.pipeline.expected import expected_work

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
