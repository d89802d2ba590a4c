"""Whole fronts of a tiny T5: every step goes on from the one before, and a killed one ends like an undisturbed one."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from safetensors.torch import load_file

import prunekit
from prunekit import PrunekitError, PruningPlan, Recipe, Report
from prunekit.front import Aim, front, measuring, running
from prunekit.measure.predictions import Predictions

LOADED = """
import sys, json, torch
from prunekit import from_pretrained
model = from_pretrained(sys.argv[1]).eval()
ids = torch.tensor([[3, 4, 5, 1]])
with torch.no_grad():
    print(json.dumps(model(input_ids=ids, labels=ids).logits.flatten().tolist()[:40]))
"""


def files(directory):
    """Every file below a directory, without those that a clock wrote into."""
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def test_steps_recover_from_each_other_and_are_chosen_among(recipe, tmp_path, monkeypatch):
    place = tmp_path / "front"
    found = front(recipe(), aim=Aim(keep=0.01))
    assert [model.name for model in found.models] == ["decoder-2", "decoder-1"]
    runs = [place / model.name for model in found.models]
    plans = [PruningPlan.load(run / "plan.json") for run in runs]
    assert plans[0].then(plans[1]) == plans[1] != plans[0]
    assert [len(plan.kept["decoder.layers"]) for plan in plans] == [2, 1]

    recipes = [Recipe.load(run / "recipe.yaml") for run in runs]
    assert [each.start for each in recipes] == [None, str(runs[0])]
    reports = [Report.load(run / "report.json") for run in runs]
    assert [report.spent.examples for report in reports] == [12, 24]  # a third and two thirds of 36
    assert [model.cost.examples for model in found.models] == [12, 36]
    answers = [Predictions.load(run / "predictions.jsonl").dense for run in runs]
    assert answers[0] == answers[1] == Predictions.load(place / "dense.jsonl").dense
    assert found.dense.test.score == reports[0].quality.dense == reports[1].quality.dense
    assert not found.confirmed  # the test rows are the dev rows, so both evaluations say the same
    assert [model.dev.score for model in found.models] == [model.test.score for model in found.models]

    monkeypatch.setattr(running, "run", None)
    monkeypatch.setattr(measuring, "quality_of", None)
    monkeypatch.setattr(measuring, "time_shapes", None)
    again = front(recipe(), aim=Aim(speedup=0.001))
    assert again.models == found.models
    assert again.selection.speedup == 0.001
    with pytest.raises(PrunekitError, match="has steps of 2, 1 decoder layers"):
        front(recipe(), depths=[1])


@pytest.mark.full
def test_every_model_is_the_same_in_a_fresh_process(recipe, tmp_path):
    options = {"strategy": "nash", "options": {"encoder_sparsity": 0.5}, "vocabulary": {"corpus": "task"}}
    found = front(recipe(**options))
    for model in found.models:
        directory = tmp_path / "front" / model.name / "model"
        said = subprocess.run([sys.executable, "-c", LOADED, directory], capture_output=True, text=True, check=True)
        live = prunekit.from_pretrained(directory).eval()
        ids = torch.tensor([[3, 4, 5, 1]])
        with torch.no_grad():
            here = live(input_ids=ids, labels=ids).logits.flatten()[:40]
        assert torch.equal(torch.tensor(json.loads(said.stdout)), here)
        assert sum(value.numel() for value in live.parameters()) == model.parameters
    plans = [PruningPlan.load(tmp_path / "front" / model.name / "plan.json") for model in found.models]
    assert "vocabulary" in plans[0].kept
    assert plans[0].then(plans[1]) == plans[1]
    narrowed = [model.encoder_sparsity for model in found.models]
    assert narrowed == sorted(narrowed)


@pytest.mark.full
def test_killed_again_and_again_it_ends_like_an_undisturbed_one(recipe, tmp_path):
    whole = front(recipe(output=str(tmp_path / "whole")))
    killed = tmp_path / "killed"
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe(output=str(killed)).model_dump(mode="json")))
    command = [sys.executable, "-m", "prunekit", "front", str(tmp_path / "recipe.yaml")]
    moments = ("dense.jsonl", "decoder-2/work/recipe.yaml", "decoder-1/work", "figures/dev-decoder-2.json", None)
    for moment in moments:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            while moment and process.poll() is None and not (killed / moment).exists():
                time.sleep(0.01)
            if moment:
                os.kill(process.pid, signal.SIGKILL)
            _, said = process.communicate()
        assert process.returncode == (-signal.SIGKILL if moment else 0), said
    assert files(killed) == files(tmp_path / "whole")
    for model in whole.models:
        saved = [tmp_path / name / model.name / "model/model.safetensors" for name in ("whole", "killed")]
        one, other = map(load_file, saved)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
        texts = [(tmp_path / name / model.name / "plan.json").read_text() for name in ("whole", "killed")]
        assert texts[0] == texts[1]
    found = json.loads((killed / "front.json").read_text())
    assert [model["dev"] for model in found["models"]] == [model.dev.model_dump(mode="json") for model in whole.models]


def test_what_cannot_work_is_refused_before_anything_is_written(recipe, tmp_path):
    with pytest.raises(PrunekitError, match="keep 3 decoder layers, but there are 3"):
        front(recipe(), depths=[3])
    with pytest.raises(PrunekitError, match="no tracker 'tensorbord'"):
        front(recipe(training={"report_to": "tensorbord"}))
    assert not (tmp_path / "front").exists()
