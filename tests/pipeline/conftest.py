"""A run that has been opened on a tiny T5 and eight pairs of letters."""

import pytest

from prunekit import Recipe
from prunekit.pipeline.state import open_run


@pytest.fixture
def recipe(t5_directory, pairs, tmp_path):
    """Makes recipes of short runs."""

    def make(**more):
        task = {"train": str(pairs), "eval": str(pairs), "source": "a", "target": "b", "metric": "exact_match"}
        measure = {"batch": 8, "repeats": 1, "least_quality": 0, "workloads": [{"source": 4, "new_tokens": 3}]}
        base = {"model": str(t5_directory), "output": str(tmp_path / "run"), "task": task, "measure": measure}
        training = {"batch": 4, "learning_rate": 0.01, "precision": "fp32"}
        return Recipe.parse({**base, "training": training, "device": "cpu", "round_to": 1, **more})

    return make


@pytest.fixture
def state(recipe):
    """Makes the state that a recipe's first stage starts from."""
    return lambda **more: open_run(recipe(**more))
