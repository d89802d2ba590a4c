"""Trackers are sent what the log has, once, also when a run is killed; nothing of a run changes by them."""

import json
import os
import sqlite3
import subprocess
import sys

import pytest
import torch
from accelerate import PartialState
from accelerate.tracking import LOGGER_TYPE_TO_CLASS
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import prunekit
from prunekit import PrunekitError, Recipe
from prunekit.pipeline.run import run
from prunekit.pipeline.trackers import LogEntries, Trackers, check_trackers


@pytest.fixture
def asked(t5_directory, pairs, tmp_path):
    """A recipe of two trainings, 6 and 5 steps long, that reports to what it is given."""
    task = {"train": str(pairs), "eval": str(pairs), "source": "a", "target": "b", "metric": "exact_match"}
    training = {"batch": 4, "learning_rate": 0.01, "precision": "fp32", "log_every": 1, "save_every": 2}
    training |= {"read_every": 2, "keep_best": True}
    measure = {"batch": 8, "repeats": 1, "least_quality": 0, "workloads": [{"source": 4, "new_tokens": 3}]}

    def recipe(name, *report_to):
        return Recipe.parse(
            {
                **{"model": str(t5_directory), "output": str(tmp_path / name), "device": "cpu", "round_to": 1},
                **{"strategy": "depth", "options": {"decoder_layers": 2}, "task": {**task, "target_length": 8}},
                **{"teacher": {"steps": 6}, "recovery": {"steps": 5}, "measure": measure},
                "training": {**training, "report_to": list(report_to)},
            }
        )

    return recipe


def expected(output):
    """The points of every curve, by the log and the report alone."""
    curves = {}
    for line in map(json.loads, (output / "log.jsonl").read_text().splitlines()):
        if "train_runtime" not in line:
            step = line.pop("step") + (6 if line["phase"] == "recover" else 0)
            phase = line.pop("phase")
            for name, value in line.items():
                curves.setdefault(f"{phase}/{name}", []).append((step, pytest.approx(value, rel=1e-5)))
    report = json.loads((output / "report.json").read_text())
    final = {"quality_pruned": report["quality"]["pruned"], "speedup": report["latency"]["speedup"]}
    final |= {"parameters_pruned": report["parameters"]["pruned"], "sparsity_total": report["sparsity"]["total"]}
    return curves, {f"final/{name}": pytest.approx(value, rel=1e-5) for name, value in final.items()}


def read_back(output):
    """What TensorBoard reads."""
    events = EventAccumulator(str(output / "tensorboard")).Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}, events


KILLED = """
import os, signal, sys
from prunekit.pipeline.run import run
from prunekit.recipe import Recipe

def progress(stage, done, total, figures):
    if stage == "recover" and done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

run(Recipe.load(sys.argv[1]), progress)
"""


def test_tensorboard_shows_the_log_of_a_killed_run_once(asked, tmp_path):
    recipe = asked("killed", "tensorboard")
    (tmp_path / "recipe.yaml").write_text(recipe.dump())
    words = [sys.executable, "-c", KILLED, str(tmp_path / "recipe.yaml")]
    assert subprocess.run(words, env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode == -9
    run(recipe)
    curves, final = expected(tmp_path / "killed")
    found, events = read_back(tmp_path / "killed")
    assert {tag: points for tag, points in found.items() if not tag.startswith("final/")} == curves
    assert {"teacher/loss", "teacher/grad_norm", "recover/learning_rate", "recover/eval_loss"} <= curves.keys()
    assert [step for step, _ in found["recover/loss"]] == [7, 8, 9, 10, 11]
    assert {tag: found[tag][-1][1] for tag in final} == final
    [text] = events.Tensors("recipe/text_summary")
    assert "decoder_layers: 2" in text.tensor_proto.string_val[0].decode()


@pytest.mark.full
def test_a_tracker_changes_nothing(asked, tmp_path):
    for name, report_to in (("plain", ()), ("tracked", ("tensorboard",))):
        run(asked(name, *report_to))
    one, other = (prunekit.from_pretrained(tmp_path / name / "model").state_dict() for name in ("plain", "tracked"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    lines = [json.loads((tmp_path / name / "log.jsonl").read_text().splitlines()[4]) for name in ("plain", "tracked")]
    assert lines[0] == lines[1]
    names = [{path.name for path in (tmp_path / name).iterdir()} for name in ("plain", "tracked")]
    assert names[1] - names[0] == {"tensorboard"}


@pytest.mark.full
def test_trackio_shows_the_same_curves_without_a_network(asked, tmp_path):
    pytest.importorskip("trackio")
    (tmp_path / "recipe.yaml").write_text(asked("run-7", "trackio").dump())
    words = [sys.executable, "-m", "prunekit", "run", str(tmp_path / "recipe.yaml")]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TRACKIO_DIR": str(tmp_path / "kept"), "HF_HUB_OFFLINE": "1"}
    subprocess.run(words, env=env, check=True)
    with sqlite3.connect(tmp_path / "kept/prunekit.db") as base:
        points = base.execute("select run_name, step, metrics from metrics order by id").fetchall()
        [(config,)] = base.execute("select config from configs").fetchall()
    assert {name for name, _, _ in points} == {"run-7"}
    found = {}
    for _, step, figures in points:
        for name, value in json.loads(figures).items():
            found.setdefault(name, []).append((step, value))
    curves, final = expected(tmp_path / "run-7")
    assert {name: points for name, points in found.items() if not name.startswith("final/")} == curves
    assert {name: found[name] for name in final} == {name: [(11, value)] for name, value in final.items()}
    assert json.loads(config)["options.decoder_layers"] == 2


def test_a_misspelled_and_a_missing_tracker_are_refused_before_anything_is_written(asked, tmp_path, monkeypatch):
    with pytest.raises(PrunekitError, match=r"no tracker 'tensorbord' .* did you mean 'tensorboard'\?"):
        run(asked("run", "tensorbord"))
    monkeypatch.setattr("accelerate.tracking._available_trackers", ["tensorboard"])
    with pytest.raises(PrunekitError, match="pip install wandb"):
        run(asked("run", "tensorboard", "wandb"))
    assert not (tmp_path / "run").exists()
    check_trackers(("tensorboard",))
    assert Recipe.parse({"training": {"report_to": "mlflow"}}).training.report_to == ("mlflow",)


def test_steps_continue_over_trainings_and_half_a_line_waits(tmp_path):
    log = tmp_path / "log.jsonl"
    lines = LogEntries(log)
    assert list(lines.read()) == []
    log.write_text(
        '{"phase": "teacher", "step": 4, "loss": 2.0}\n{"phase": "teacher", "step": 6, "train_runtime": 1}\n{"ph'
    )
    assert list(lines.read()) == [(1, 4, {"teacher/loss": 2.0})]
    with log.open("a") as file:
        file.write('ase": "learn", "step": 3, "loss": 1.0}\n')
    assert list(lines.read()) == [(2, 9, {"learn/loss": 1.0})]
    assert list(lines.read()) == []


class Broken:
    """A tracker whose server is not there any more."""

    name = "broken"
    requires_logging_directory = True

    def __init__(self, run_name, logging_dir):
        self.sent = 0

    def store_init_configuration(self, values):
        assert values["training.batch"] == 16

    def log(self, values, step):
        raise ConnectionError("no route to host")

    def finish(self):
        raise AssertionError("it was left out")


def test_a_tracker_that_fails_is_left_out_with_a_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, "broken", Broken)
    (tmp_path / "work").mkdir()
    (tmp_path / "log").write_text('{"phase": "learn", "step": 1, "loss": 1.0}\n' * 2)
    opened = Trackers(("broken",), tmp_path, tmp_path / "log", tmp_path / "work")
    opened.follow(Recipe())
    opened.close()
    assert caplog.text.count("The tracker broken is sent nothing more: ConnectionError: no route to host") == 1
    assert PartialState._shared_state == {}
