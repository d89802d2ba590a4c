"""The grid: which trials a comparison has, in which order, and whose shape each takes; nothing is run."""

import itertools

import pytest

from prunekit.compare.grid import ordered_trials, select_trials, shape_source
from prunekit.compare.recipes import trial_recipe
from prunekit.compare.spec import Comparison
from prunekit.compare.trial import Trial
from prunekit.errors import PrunekitError
from prunekit.recipe import BudgetSection


def names(comparison):
    return [trial.name for trial in ordered_trials(Comparison.parse(comparison))]


def test_every_variant_meets_every_budget_and_seed_and_the_control_is_there(comparison):
    comparison["budgets"] = [{"examples": 24}, {"cpu_seconds": 1.5, "examples": 50}]
    budgets = ("24ex", "1.5cpu-50ex")
    expected = {f"narrow-{b}-{s}" for b, s in itertools.product(budgets, (0, 1))}
    expected |= {f"shallow-{b}-0" for b in budgets}
    expected |= {f"dense-further-{b}-{s}" for b, s in itertools.product(budgets, (0, 1))}
    assert sorted(names(comparison)) == sorted(expected)


def test_from_scratch_takes_the_shape_of_the_like_cell_where_there_is_one(comparison):
    comparison["variants"] |= {"fresh": {"from_scratch": "narrow"}, "again": {"from_scratch": "shallow"}}
    found = Comparison.parse(comparison)
    budget = BudgetSection(examples=24)
    assert shape_source(found, Trial("fresh", budget, 1)) == Trial("narrow", budget, 1)
    assert shape_source(found, Trial("again", budget, 1)) == Trial("shallow", budget, 0)
    recipe = trial_recipe(found, Trial("fresh", budget, 1))
    assert recipe.plan == f"{trial_recipe(found, Trial('narrow', budget, 1)).output}.plan.json"
    assert (recipe.recovery.weights, recipe.recovery.steps) == ("random", 1000)
    comparison["variants"]["alike"] = {"shape_of": "narrow"}
    alike = trial_recipe(Comparison.parse(comparison), Trial("alike", budget, 1))
    assert (alike.plan, alike.recovery.weights) == (recipe.plan, "kept")
    order = names(comparison)
    assert all(
        order.index(shape_source(found, trial).name) < order.index(trial.name)
        for trial in ordered_trials(found)
        if shape_source(found, trial)
    )


def test_a_variant_comes_before_those_of_its_shape_whatever_their_seeds(comparison):
    comparison["variants"] = {"late": {"seeds": [1]}, "fresh": {"from_scratch": "late", "seeds": [0]}}
    comparison["baselines"] = []
    order = names(comparison)
    assert order.index("late-24ex-1") < order.index("fresh-24ex-0")


def test_trials_are_selected_by_variant_and_by_budget_in_the_order_of_running(comparison):
    comparison["budgets"] = [{"examples": 24}, {"examples": 50}]
    comparison["variants"]["fresh"] = {"from_scratch": "narrow"}
    found = Comparison.parse(comparison)
    assert select_trials(found) == ordered_trials(found)
    selected = [trial.name for trial in select_trials(found, ["fresh", "narrow"], ["50ex"])]
    assert selected == [f"{variant}-50ex-{seed}" for seed in (0, 1) for variant in ("narrow", "fresh")]


@pytest.mark.parametrize(
    ("variants", "budgets", "sentence"),
    [(["narow"], [], "no variant of that name; did you mean 'narrow'"), ([], ["25ex"], "no budget of that name")],
)
def test_a_name_that_does_not_exist_is_refused(comparison, variants, budgets, sentence):
    with pytest.raises(PrunekitError, match=sentence):
        select_trials(Comparison.parse(comparison), variants, budgets)
