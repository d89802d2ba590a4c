"""Runs that are killed at drawn moments end as the undisturbed one does; `make soak` draws fifty."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = int(os.environ.get("KILLS", "12"))
CASES = [(strategy, precision) for strategy in ("nash", "cofi", "depth") for precision in ("fp32", "bf16")]


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("strategy", "precision"), CASES)
def test_killed_runs_end_as_the_undisturbed_one(tmp_path, strategy, precision):
    words = [sys.executable, str(Path(__file__).with_name("kills.py")), str(tmp_path)]
    words += ["--strategy", strategy, "--precision", precision, "--kills", str(math.ceil(KILLS / len(CASES)))]
    words += ["--seed", os.environ.get("SEED", "0")]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
