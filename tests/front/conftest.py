"""Fronts made by hand, and the recipe of one on a tiny model whose decoder has three layers."""

import pytest

from prunekit import Recipe
from prunekit.front.figures import Front, FrontModel, IntervalScore
from prunekit.latency.timing import Speed
from prunekit.recipe import Workload
from prunekit.report.sections import SpentSection


def score(kept, whole=0.672, examples=6323):
    value = whole * kept
    return IntervalScore(score=value, kept=kept, interval=(value - 0.012, value + 0.012), examples=examples)


def model(name, kept, speedup, test=None, cost=0.0):
    """A model that keeps a share on dev, and on test rows the same unless `test` says what."""
    first = Speed(workload=Workload(source=9, new_tokens=9), speedup=speedup, wall_speedup=speedup, error=0.04)
    second = Speed(workload=Workload(batch=32, source=9, new_tokens=9), speedup=1.1 * speedup, wall_speedup=speedup)
    layers = 12 if name == "dense" else int(name.rpartition("-")[2])
    return FrontModel(
        name=name,
        decoder_layers=layers,
        encoder_sparsity=0.1 if layers < 3 else 0.0,
        dev=score(kept),
        test=score(kept if test is None else test, whole=0.67),
        speeds=[first, second],
        parameters=800_000 + 260_000 * layers,
        cost=SpentSection(examples=1000, cpu_seconds=cost),
    )


@pytest.fixture
def make_model():
    return model


@pytest.fixture
def found():
    """The front of a model of 12 decoder layers in three steps, without a selection."""
    models = [
        model("decoder-6", 0.991, 1.72, cost=85.0),
        model("decoder-3", 0.982, 2.64, test=0.979, cost=190.4),
        model("decoder-1", 0.87, 3.9, cost=300.0),
    ]
    return Front(
        adapter="t5",
        strategy="nash",
        task="g2p",
        seed=0,
        metric="exact_match",
        higher_is_better=True,
        amount=False,
        confirmed=True,
        dense=model("dense", 1.0, 1.0),
        models=models,
        environment={"cpu": "a processor", "cores": 2, "torch": "2.9"},
    )


@pytest.fixture
def recipe(t5_directory, pairs, tmp_path):
    """Makes recipes of fronts of 36 training examples."""

    def make(**more):
        task = {"train": str(pairs), "eval": str(pairs), "source": "a", "target": "b", "metric": "exact_match"}
        measure = {"batch": 8, "repeats": 1, "least_quality": 0, "workloads": [{"source": 4, "new_tokens": 3}]}
        base = {"model": str(t5_directory), "output": str(tmp_path / "front"), "measure": measure, "strategy": "depth"}
        base |= {"task": {**task, "target_length": 8}, "options": {"spacing": "loss"}, "budget": {"examples": 36}}
        training = {"batch": 4, "learning_rate": 0.01, "precision": "fp32"}
        return Recipe.parse({**base, "training": training, "device": "cpu", "round_to": 1, **more})

    return make
