"""Ratios of a benchmark run: a slower machine changes nothing, a slower pruned model does."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks/ratios.py"


@pytest.fixture(scope="module")
def ratios():
    spec = importlib.util.spec_from_file_location("ratios", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(**seconds):
    return {
        "benchmarks": [
            {"group": "t5", "name": name, "extra_info": {"shape": name}, "stats": {"min": each, "median": 9.0}}
            for name, each in seconds.items()
        ]
    }


def test_each_is_told_as_a_share_of_its_groups_dense_model(ratios):
    both = run(dense=2.0, depth=0.5)
    other = {"group": "files", "name": "save", "extra_info": {}, "stats": {"min": 1.0, "median": 9.0}}
    assert ratios.ratios({"benchmarks": [*both["benchmarks"], other]}) == {"t5 | depth": 0.25}


def test_of_several_passes_the_least_time_counts(ratios):
    """Each was disturbed in another pass."""
    assert ratios.ratios(run(dense=4.0, depth=0.5), run(dense=2.0, depth=1.5)) == {"t5 | depth": 0.25}


@pytest.mark.parametrize(
    ("dense", "depth", "code"),
    [(2.0, 0.5, 0), (20.0, 5.0, 0), (2.0, 0.6, 0), (2.0, 0.7, 1), (1.0, 0.5, 1)],
)
def test_only_a_worse_ratio_fails(tmp_path, dense, depth, code):
    paths = [tmp_path / "run.json", tmp_path / "baseline.json"]
    paths[0].write_text(json.dumps(run(dense=2.0, depth=0.5)))
    words = [sys.executable, str(SCRIPT)]
    subprocess.run([*words, str(paths[0]), "--store", str(paths[1])], check=True, capture_output=True)
    paths[0].write_text(json.dumps(run(dense=dense, depth=depth)))
    done = subprocess.run([*words, str(paths[0]), "--baseline", str(paths[1])], capture_output=True, text=True)
    assert done.returncode == code
    assert ("slower than before" in done.stdout) == bool(code)
