"""The outsider's project: built, installed outside this repository, and used from there like any other package."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, SeamlessM4TConfig

from prunekit.conformance import CHECKS
from prunekit.testing import MetricSuite, TaskSuite

ROOT = Path(__file__).parents[3]
PROJECT = ROOT / "examples/plugin"
FLAGS = {
    "measure.workloads": "[{source: 3, new_tokens: 3}]",
    "measure.repeats": 1,
    "measure.least_quality": 0,
    "task.source_length": 8,
    "task.target_length": 8,
    "round_to": 1,
    "device": "cpu",
}
"""A run of seconds, on a model that has learned nothing."""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, as an outsider would have it."""
    return shutil.copytree(
        PROJECT, tmp_path_factory.mktemp("outside") / "plugin", ignore=shutil.ignore_patterns("__pycache__")
    )


@pytest.fixture(scope="module")
def outside(project):
    """Run Python in the project's folder; of the project and of prunekit it imports only what their wheels hold."""
    site = project.parent / "site"
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}

    def python(*words):
        command = [sys.executable, "-m", *map(str, words)]
        surroundings = {**usual, "PYTHONPATH": str(site), "COLUMNS": "200"}
        return subprocess.run(command, cwd=project, env=surroundings, capture_output=True, text=True)

    alone = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    built = python("pip", "install", *alone, "--target", site, ROOT, project)
    assert built.returncode == 0, built.stdout + built.stderr
    return python


@pytest.fixture(scope="module")
def model(tmp_path_factory, letters):
    """A SeamlessM4T with 2 encoder and 3 decoder layers, with its tokenizer."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "encoder_layers": 2, "decoder_layers": 3, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
    sizes |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "max_position_embeddings": 64}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 1}
    config = SeamlessM4TConfig(vocab_size=32, **sizes, **tokens, initializer_range=0.3)
    directory = tmp_path_factory.mktemp("seamless")
    AutoModelForSeq2SeqLM.from_config(config).save_pretrained(directory)
    letters.save_pretrained(directory)
    return directory


def test_an_adapter_for_a_type_that_is_not_built_in_takes_at_most_twenty_lines():
    own = {entry.name for entry in distribution("prunekit").entry_points if entry.group == "prunekit.adapters"}
    assert "seamless_m4t" not in own
    source = (PROJECT / "src/my_package/adapter.py").read_text(encoding="utf-8")
    assert "seamless_m4t" in source
    assert len([line for line in source.splitlines() if line.strip()]) <= 20


def test_all_plugins_are_listed_with_their_distribution(outside):
    listed = outside("prunekit", "list")
    assert listed.returncode == 0, listed.stderr
    rows = {line.split()[0]: line.split()[-1] for line in listed.stdout.splitlines() if "my-package" in line}
    assert rows == dict.fromkeys(("seamless_m4t", "better-half", "roman", "numeral_distance"), "my-package")


@pytest.mark.full
def test_the_projects_own_tests_pass(outside):
    tested = outside("pytest", "-v", "-p", "no:cacheprovider")
    assert tested.returncode == 0, tested.stdout
    passed = {line.split()[0].partition("::")[2] for line in tested.stdout.splitlines() if " PASSED " in line}
    assert {f"TestSeamless::test_adapter[{check.id}]" for check in CHECKS} <= passed
    assert "TestBetterHalf::test_masked_equals_cut[t5]" in passed
    kits = {"TestRoman": TaskSuite, "TestNumeralDistance": MetricSuite}
    checks = {f"{name}::{check}" for name, kit in kits.items() for check in vars(kit) if check.startswith("test_")}
    assert checks - passed == {
        "TestRoman::test_its_model_fits_its_adapter",  # it brings no model
        "TestRoman::test_targets_survive_the_tokenizer",
    }


def test_the_adapter_is_found_by_the_models_type(outside, model):
    seen = outside("prunekit", "inspect", model)
    assert seen.returncode == 0, seen.stderr
    assert "seamless_m4t (Seamless, adapter seamless_m4t)" in seen.stdout
    cross = next(line.split() for line in seen.stdout.splitlines() if line.startswith("decoder cross.heads"))
    assert cross[2:4] == ["0-2", "4"]  # layers, and heads in each


def test_a_model_is_pruned_with_the_strategy(outside, model, pairs, tmp_path):
    data = ("--train", pairs, "--eval", pairs, "--source", "a", "--target", "b", "--metric", "exact_match")
    flags = [word for name, value in FLAGS.items() for word in ("--set", f"{name}={value}")]
    out = tmp_path / "out"
    run = outside("prunekit", "run", "--strategy", "better-half", "--model", model, *data, *flags, "--output", out)
    assert run.returncode == 0, run.stderr
    report = json.loads((out / "report.json").read_text())
    assert (report["adapter"], report["strategy"]) == ("seamless_m4t", "better-half")
    assert report["layers"]["decoder_kept"] in ([0, 2], [1])
    assert report["sparsity"]["encoder"] >= 0.3
    assert report["equivalence"]["tokens_equal"]


def test_a_model_is_scored_on_the_task_by_its_metric(outside, model):
    flags = [word for name, value in FLAGS.items() if name.startswith("task.") for word in ("--set", f"{name}={value}")]
    scored = outside("prunekit", "eval", model, "--task", "roman", *flags, "--set", "measure.eval_examples=8")
    assert scored.returncode == 0, scored.stderr
    rows = dict(line.split() for line in scored.stdout.splitlines() if len(line.split()) == 2)
    assert rows["exact_match"] == "0.00%"
    assert float(rows["numeral_distance"]) > 1, "a distance is shown as it is, not in percent"
    asked = outside("prunekit", "eval", model, "--task", "roman", "--metric", "numeral_distanze")
    assert "no metric 'numeral_distanze'; did you mean 'numeral_distance'?" in asked.stderr
