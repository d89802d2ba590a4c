"""The precision of a run: measured once, kept, and only where it matters."""

import json

import pytest
import yaml

from prunekit import PrunekitError
from prunekit.pipeline import precision
from prunekit.pipeline.precision import settle_precision
from prunekit.pipeline.run import run
from prunekit.recipe import TrainingSection

AUTO = {"batch": 4, "learning_rate": 0.01}


@pytest.fixture
def measured(monkeypatch):
    """A machine on which bfloat16 is fast the first time, and slow later."""
    calls = []

    def costs(trainer, phase):
        calls.append(trainer.context.training.precision)
        return {"bf16": 0.5 * len(calls), "fp32": 1.0}

    monkeypatch.setattr(precision, "precision_costs", costs)
    return calls


def test_it_is_measured_once_and_reused_on_resume(state, tmp_path, measured, caplog):
    caplog.set_level("INFO")
    for _ in range(2):
        opened = state(training=AUTO, recovery={"steps": 2})
        with opened.directory.in_use():
            found = settle_precision(opened)
        assert found.recipe.training.precision == "bf16"
        assert found.data.training.training.precision == "bf16"
    assert measured == ["auto"]
    assert json.loads((tmp_path / "run/work/precision.json").read_text())["precision"] == "bf16"
    assert "precision bf16, by the time of a step: bf16 0.5 s, fp32 1 s" in caplog.text


@pytest.mark.parametrize(
    "more", [{"training": {**AUTO, "precision": "fp32"}, "recovery": {"steps": 2}}, {"training": AUTO}]
)
def test_nothing_is_measured_without_need(state, tmp_path, measured, more):
    opened = state(**more)
    assert settle_precision(opened) is opened
    assert not measured
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "more",
    [
        {"teacher": {"steps": 2}},
        {"options": {"steps": 2}},
        pytest.param({"budget": {"examples": 80}}, marks=pytest.mark.full),
    ],
)
def test_a_complete_run_names_it(recipe, tmp_path, measured, more):
    options = {"decoder_layers": 2, **more.pop("options", {})}
    run(recipe(training=AUTO, options=options, **more))
    assert yaml.safe_load((tmp_path / "run/recipe.yaml").read_text())["training"]["precision"] == "bf16"
    assert len(measured) == 1


def test_float16_is_refused_on_a_processor_before_anything_else(state, tmp_path):
    with pytest.raises(PrunekitError, match="fp16 needs a GPU"):
        state(training=TrainingSection(precision="fp16"), model=str(tmp_path / "missing"))


def test_muon_iterates_in_the_faster_precision_which_is_kept(state, tmp_path, measured, monkeypatch):
    asked = []
    monkeypatch.setattr(precision, "faster_precision", lambda *what: asked.append(what) or "bf16")
    for _ in range(2):
        opened = state(training={**AUTO, "precision": "fp32", "optimizer": "muon"}, recovery={"steps": 2})
        with opened.directory.in_use():
            found = settle_precision(opened)
        assert found.recipe.training.muon_precision == "bf16"
        assert found.recipe.training.precision == "fp32"
    assert len(asked) == 1
    assert not measured
    assert json.loads((tmp_path / "run/work/muon_precision.json").read_text()) == "bf16"
