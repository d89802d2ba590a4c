"""A comparison on a tiny model, with settings that make its runs as short as they can be."""

from pathlib import Path

import pytest

from prunekit.compare import execution


@pytest.fixture
def comparison(t5_directory, pairs, tmp_path):
    """The keys of a comparison of two variants at 24 training examples, written into ``tmp_path / "out"``."""
    task = {"train": str(pairs), "eval": str(pairs), "source": "a", "target": "b", "metric": "exact_match"}
    measure = {"batch": 8, "repeats": 1, "least_quality": 0, "workloads": [{"source": 4, "new_tokens": 3}]}
    return {
        "name": "tiny",
        "base": {
            "model": str(t5_directory),
            "strategy": "uniform",
            "options": {"encoder_sparsity": 0.5},
            "task": {**task, "target_length": 8},
            "training": {"batch": 4, "learning_rate": 0.01, "precision": "fp32"},
            "recovery": {"steps": 1000},
            "measure": measure,
            "device": "cpu",
            "round_to": 1,
        },
        "variants": {
            "narrow": {},
            "shallow": {"options": {"encoder_sparsity": 0.0, "decoder_layers": [0, 2]}, "seeds": [0]},
        },
        "baselines": ["shallow"],
        "seeds": [0, 1],
        "budgets": [{"examples": 24}],
        "output": str(tmp_path / "out"),
    }


@pytest.fixture
def made(monkeypatch):
    """The names of the cells that are run, in order."""
    names = []
    original = execution.run

    def noted(recipe, progress=None):
        names.append(Path(recipe.output).name)
        return original(recipe, progress)

    monkeypatch.setattr(execution, "run", noted)
    return names
