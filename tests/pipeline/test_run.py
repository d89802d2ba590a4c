"""A run, from recipe to report."""

import json

import pytest

from prunekit import PrunekitError, Recipe
from prunekit.pipeline import stages
from prunekit.pipeline.run import run
from prunekit.report.report import Report


def test_it_writes_what_the_contract_names(recipe, tmp_path):
    report = run(recipe(strategy="depth", options={"decoder_layers": 2}, recovery={"steps": 2}))
    written = {path.name for path in (tmp_path / "run").iterdir()}
    files = {"recipe.yaml", "plan.json", "report.json", "report.html", "predictions.jsonl", "log.jsonl", "model"}
    assert written == files
    data = json.loads((tmp_path / "run/report.json").read_text())
    assert data["parameters"]["pruned"] == report.parameters.pruned
    assert data["data"]["train"]["rows"] == 8
    assert set(data["answers"]) == {"dense", "pruned"}


def test_a_budget_is_shared_by_stages_whose_steps_are_recorded(recipe, tmp_path):
    """Forty examples are ten steps of eight rows in batches of four: by 3 to 2 six and four."""
    stages = [{"frozen": ["encoder"], "share": 0.6}, {"share": 0.4, "rate": 0.5}]
    asked = recipe(
        strategy="depth", options={"decoder_layers": 2}, recovery={"stages": stages}, budget={"examples": 40}
    )
    report = run(asked)
    assert [(stage.frozen, stage.steps, stage.rate) for stage in report.recovery] == [
        (("encoder",), 6, 1),
        ((), 4, 0.5),
    ]
    assert Report.load(tmp_path / "run/report.json").recovery == report.recovery
    done = Recipe.load(tmp_path / "run/recipe.yaml")
    assert (done.recovery.steps, [stage.share for stage in done.recovery.stages]) == (10, [6, 4])
    assert not done.budget.limited


def test_a_stage_that_could_train_nothing_is_refused_before_anything_is_written(recipe, tmp_path):
    whole = {"frozen": ["encoder", "decoder", "embedding"]}
    for recovery in ({"steps": 2, **whole}, {"steps": 2, "stages": [{"share": 0.5}, whole]}):
        with pytest.raises(PrunekitError, match=r"^With encoder, decoder, embedding frozen .* no weight left to train"):
            run(recipe(strategy="depth", options={"decoder_layers": 2}, recovery=recovery))
    assert not (tmp_path / "run").exists()


def test_one_of_several_processes_touches_nothing(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(PrunekitError, match="torchrun"):
        run(recipe())
    assert not (tmp_path / "run").exists()


def test_a_run_that_failed_is_gone_on_with_by_the_same_process(recipe, tmp_path, monkeypatch):
    """Whatever else of the failure is still in memory: its lock is not."""
    asked = recipe(strategy="depth", options={"decoder_layers": 2}, recovery={"steps": 2})
    failing = pytest.MonkeyPatch()
    failing.setattr(stages, "report_on", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError) as kept:
        run(asked)
    failing.undo()
    assert kept.tb is not None
    assert (tmp_path / "run/work").exists()
    run(asked)
    assert not (tmp_path / "run/work").exists()
