"""A run, from recipe to report."""

import json

import pytest

from prunekit import PrunekitError
from prunekit.pipeline import stages
from prunekit.pipeline.run import run


def test_it_writes_what_the_contract_names(recipe, tmp_path):
    report = run(recipe(strategy="depth", options={"decoder_layers": 2}, recovery={"steps": 2}))
    written = {path.name for path in (tmp_path / "run").iterdir()}
    files = {"recipe.yaml", "plan.json", "report.json", "report.html", "predictions.jsonl", "log.jsonl", "model"}
    assert written == files
    data = json.loads((tmp_path / "run/report.json").read_text())
    assert data["parameters"]["pruned"] == report.parameters.pruned
    assert data["data"]["train"]["rows"] == 8
    assert set(data["answers"]) == {"dense", "pruned"}


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
