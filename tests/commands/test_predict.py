"""prunekit predict and --target-speedup as a user meets them."""

import json
import re

import pytest
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
from typer.testing import CliRunner

import prunekit
from prunekit.cli import app
from prunekit.cut import checkpoint
from prunekit.latency import calibration, shapes, timing
from prunekit.latency.clocks import Reading
from prunekit.latency.interleave import InterleavedTimes
from prunekit.recipe import Recipe
from prunekit_adapters.t5 import T5

WORK = "batch=1,source=4,new_tokens=3"


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Prices need not be good here."""
    monkeypatch.setattr(calibration, "CALIBRATION_SECONDS", 0.0)


@pytest.fixture
def measuring(monkeypatch):
    """The first of the models that take turns is so many times slower than the others: what tiny ones are is chance."""

    def measures(speedup):
        def turns(calls, *_):
            first, *_ = calls
            return InterleavedTimes(
                {name: [Reading(speedup if name == first else 1.0)] for name in calls}, {name: [1.0] for name in calls}
            )

        monkeypatch.setattr(timing, "interleave", turns)

    return measures


def called(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_grid_has_every_shape(t5_directory, tmp_path):
    page = tmp_path / "speed.html"
    result = called("predict", t5_directory, "--encoder-sparsity", "0,0.5", "--workload", WORK, "--output", page)
    assert result.exit_code == 0, result.output
    rows = re.findall(r"^ *(\d+) +([\d.]+)x +([\d.]+)x", result.output, re.M)
    assert [int(layers) for layers, *_ in rows] == [3, 2, 1]
    assert float(rows[0][1]) == 1.0
    assert "new_tokens=3" in result.output
    html = page.read_text()
    assert html.count("<td") == 6
    assert not re.findall(r"""src\s*=|href\s*=|url\(|@import|https?://""", html)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--workload", "batch"], "batch=1,source=512"),
        (["--workload", "rows=1"], "There is no key 'rows'"),
        (["--workload", "batch=0"], "batch"),
        (["--layers", "9"], "9"),
        (["--layers", "two"], "two"),
        (["--encoder-sparsity", "1.5"], "1.5"),
    ],
)
def test_what_is_wrong_is_one_sentence_before_anything_is_timed(t5_directory, flags, sentence, monkeypatch):
    monkeypatch.setattr(shapes, "calibrate", lambda *_, **__: pytest.fail("timed for nothing"))
    result = called("predict", t5_directory, *flags)
    assert result.exit_code == 1
    assert sentence in result.output
    assert "Traceback" not in result.output


@pytest.fixture
def keys(t5_directory, pairs, tmp_path):
    task = ["--train", pairs, "--eval", pairs, "--source", "a", "--target", "b", "--metric", "exact_match"]
    sets = ["measure.repeats=1", "measure.least_quality=0", "recovery.steps=1", "training.batch=4", "device=cpu"]
    return [
        "--model",
        t5_directory,
        *task,
        *(word for each in sets for word in ("--set", each)),
        "--output",
        tmp_path / "run",
    ]


def test_a_run_aims_at_a_speed_and_says_both_figures(keys, tmp_path, measuring):
    measuring(1.2)
    result = called("run", "--target-speedup", "1.2", "--workload", WORK, *keys)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "run/report.json").read_text())
    latency = report["latency"]
    assert latency["workload"] == {"batch": 1, "source": 4, "new_tokens": 3, "beams": 1}
    assert latency["predicted_speedup"] >= 1.2
    assert latency["workloads"][0]["predicted_speedup"] == latency["predicted_speedup"]
    assert latency["workloads"][1]["predicted_speedup"] is None
    assert "predicted" in result.output
    done = Recipe.load(tmp_path / "run/recipe.yaml")
    assert done.target.speedup is None
    assert done.options["decoder_layers"] == len(report["layers"]["decoder_kept"])


def test_a_pruned_model_is_aimed_from_where_it_stands(keys, t5_directory, tmp_path, measuring):
    measuring(1.1)
    model = AutoModelForSeq2SeqLM.from_pretrained(t5_directory)
    small = prunekit.prune(model, prunekit.PruningPlan({"decoder.layers": (0, 2)}), T5())
    checkpoint.save(small, tmp_path / "small", AutoTokenizer.from_pretrained(t5_directory))
    words = [str(tmp_path / "small") if word == t5_directory else word for word in keys]
    result = called("run", "--target-speedup", "1.1", "--workload", WORK, *words)
    assert result.exit_code == 0, result.output
    latency = json.loads((tmp_path / "run/report.json").read_text())["latency"]
    assert 1.1 <= latency["predicted_speedup"] < 2, "not from the dense model's three layers"


def test_a_target_out_of_reach_leaves_nothing_behind(keys, tmp_path):
    result = called("run", "--target-speedup", "1000", "--workload", WORK, *keys)
    assert result.exit_code == 1
    assert "out of reach" in result.output
    assert not (tmp_path / "run").exists() or not any((tmp_path / "run").iterdir())


def test_what_only_the_cost_model_promised_is_refused(keys, tmp_path, measuring):
    measuring(1.01)
    result = called("run", "--target-speedup", "1.2", "--workload", WORK, *keys)
    assert result.exit_code == 1
    assert "1.2 times the speed is out of reach on this workload: 1 is the most" in " ".join(result.output.split())
    assert not (tmp_path / "run").exists() or not any((tmp_path / "run").iterdir())


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--strategy", "cofi"], "'cofi' says itself what stays"),
        (["--decoder-layers", "2"], "leave those flags out"),
        (["--workload", "new_tokens=x"], "new_tokens"),
    ],
)
def test_a_target_that_cannot_be_is_refused(keys, flags, sentence):
    result = called("run", "--target-speedup", "2", *flags, *keys)
    assert result.exit_code == 1
    assert sentence in " ".join(result.output.split())


def test_a_workload_without_a_target_is_refused(keys, tmp_path):
    result = called("run", "--workload", WORK, *keys)
    assert result.exit_code == 1
    assert "--workload belongs to --target-speedup" in " ".join(result.output.split())
    assert not (tmp_path / "run").exists()
