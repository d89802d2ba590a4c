"""Trials whose recipes leave the precision open share one."""

import pytest

from prunekit.compare import Comparison, execution, precision
from prunekit.compare.execution import run_trials
from prunekit.compare.grid import ordered_trials
from prunekit.compare.recipes import trial_recipe
from prunekit.compare.records import same_recipe
from prunekit.errors import PrunekitError


@pytest.fixture
def begun(monkeypatch):
    """The precisions of the runs that were begun, on a machine whose measurements disagree."""
    seen, measured = [], iter(["bf16", "fp32", "fp32", "fp32"])

    def enough(recipe, progress=None):
        seen.append(recipe.training.precision)
        raise PrunekitError("enough")

    monkeypatch.setattr(execution, "run", enough)
    monkeypatch.setattr(precision, "measure_precision", lambda state: {"precision": next(measured), "seconds": {}})
    return seen


def test_it_is_measured_once_and_kept(comparison, tmp_path, begun):
    del comparison["base"]["training"]["precision"]
    comparison["variants"]["narrow"] = {"training": {"precision": "fp32"}}
    found = Comparison.parse(comparison)
    trials = ordered_trials(found)
    for _ in range(2):
        run_trials(found, trials)
    expected = ["fp32" if trial.variant == "narrow" else "bf16" for trial in trials]
    assert begun == expected * 2
    assert set(begun) == {"fp32", "bf16"}
    assert not (tmp_path / "out/unused").exists()


def test_a_trial_that_was_begun_is_still_the_one_that_leaves_it_open(comparison):
    del comparison["base"]["training"]["precision"]
    found = Comparison.parse(comparison)
    recipe = trial_recipe(found, ordered_trials(found)[0])
    chosen, other = (
        recipe.model_copy(update={"training": recipe.training.model_copy(update={"precision": name})})
        for name in ("bf16", "fp32")
    )
    assert same_recipe(recipe, chosen)
    assert same_recipe(chosen, recipe)
    assert not same_recipe(chosen, other)
