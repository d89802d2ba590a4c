"""A comparison on a tiny model, with settings that make its runs as short as they can be."""

from pathlib import Path

import pytest

from prunekit.compare import execution
from prunekit.compare.figures import Figure, Gain, Nearest, Summary, Table, TableRow
from prunekit.latency.timing import Speed
from prunekit.recipe import BudgetSection, Workload


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
    """The names of the trials that are run, in order."""
    names = []
    original = execution.run

    def noted(recipe, progress=None):
        names.append(Path(recipe.output).name)
        return original(recipe, progress)

    monkeypatch.setattr(execution, "run", noted)
    return names


@pytest.fixture
def full():
    gain = Gain(over="depth", gain=0.012, low=-0.004, high=0.02, p=0.07)
    rows = [
        _row("nash", [0.66, 0.67, 0.68], 3.4, gain=gain),
        _row("depth", [0.65, 0.66], 3.3, baseline=True, missing=[2]),
    ]
    return _summary(rows, gain)


WORK = (Workload(batch=1, source=9, new_tokens=9), Workload(batch=32, source=9, new_tokens=9, beams=4))


def _row(name, values, speed, **more):
    speeds = [Speed(workload=work, speedup=speed, wall_speedup=speed) for work in WORK]
    counts = {"parameters": 1250000, "non_embedding": 1240000, "sparsity": 0.685, "examples": 204800}
    usual = {"baseline": False, "seeds": list(range(len(values))), "missing": [], "retained": 0.925}
    usual |= {"others": {"per": Figure.of([0.084, 0.086])}}
    usual |= {"quality": Figure.of(values), "speeds": speeds, "seconds": {"CPU": 598.4}, **counts}
    return TableRow(variant=name, **{**usual, **more})


def _summary(rows, gain=None, best="depth"):
    nearest = [Nearest(by="speed-up", baseline="depth", ours=3.4, theirs=3.3, gain=gain)] if gain else []
    limits = BudgetSection(cpu_seconds=600, examples=200000)
    table = Table(budget="600cpu", limits=limits, rows=rows, best_baseline=best, nearest=nearest)
    return Summary(
        name="g2p",
        command="prunekit compare g2p.yaml",
        task="g2p",
        metric="exact_match",
        higher_is_better=True,
        examples=6323,
        recommended="nash",
        dense=_row("dense", [0.672], 1.0, seeds=[]),
        tables=[table],
        environments=[{"cpu": "A | B", "cores": 2, "torch": "2.13.0"}],
        seeds=[0, 1, 2],
        timed_on={"cpu": "C", "cores": 4, "torch": "2.13.0"},
        hours={"CPU": 5.25, "GPU": 0.5},
        missing={"cofi-600cpu-1": "it <broke>"},
    )


@pytest.fixture(scope="session")
def make_row():
    """Makes a row of a table."""
    return _row


@pytest.fixture(scope="session")
def make_summary():
    """Makes a summary of one table with these rows."""
    return _summary
