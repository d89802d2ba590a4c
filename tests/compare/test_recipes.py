"""The recipe of a trial: the base with the variant over it, and the shape that it takes; nothing is run."""

import pytest

from prunekit.compare.recipes import base_recipe, trial_recipe
from prunekit.compare.spec import Comparison
from prunekit.compare.trial import Trial
from prunekit.errors import PrunekitError
from prunekit.recipe import BudgetSection


def test_a_variant_may_run_as_its_recipe_stands(comparison):
    comparison["variants"]["one-shot"] = {"recovery": {"steps": 0}, "budgets": [], "seeds": [3]}
    assert Trial("one-shot", None, 3) in Comparison.parse(comparison).trials()
    recipe = trial_recipe(Comparison.parse(comparison), Trial("one-shot", None, 3))
    assert (recipe.recovery.steps, recipe.budget.limited, recipe.seed) == (0, False, 3)


def test_a_cell_is_the_base_with_the_variant_over_it(comparison):
    comparison["variants"]["deep"] = {"strategy": "nash", "options": {"steps": 7}, "training": {"dropout": 0.0}}
    found = Comparison.parse(comparison)
    budget = BudgetSection(examples=24)
    narrow, shallow, deep, control = (
        trial_recipe(found, Trial(name, budget, 1)) for name in ("narrow", "shallow", "deep", "dense-further")
    )
    assert narrow.options == {"encoder_sparsity": 0.5}
    assert shallow.options == {"encoder_sparsity": 0.0, "decoder_layers": [0, 2]}
    assert deep.options == {"steps": 7}, "options of the base belong to the base's strategy"
    assert (deep.training.dropout, deep.training.batch, narrow.training.dropout) == (0.0, 4, None)
    assert control.plan is not None
    assert narrow.plan is None
    for recipe in (narrow, shallow, deep, control):
        assert (recipe.seed, recipe.budget, recipe.measure) == (1, budget, narrow.measure)
    assert len({recipe.output for recipe in (narrow, shallow, deep, control)}) == 4


def test_a_given_shape_aims_at_no_speed(comparison):
    comparison["base"]["target"] = {"speedup": 2.0}
    comparison["variants"] |= {"fresh": {"from_scratch": "narrow"}, "given": {"plan": "plan.json"}}
    found, budget = Comparison.parse(comparison), BudgetSection(examples=24)
    aims = {name: trial_recipe(found, Trial(name, budget, 0)).target.speedup for name in found.named}
    assert aims == {"narrow": 2.0, "shallow": 2.0, "fresh": None, "given": None, "dense-further": None}


def test_a_variant_without_a_body_is_the_base(comparison):
    comparison["variants"]["narrow"] = None
    narrow = trial_recipe(Comparison.parse(comparison), Trial("narrow", BudgetSection(examples=24), 0))
    assert narrow.options == comparison["base"]["options"]


def test_a_section_without_a_body_is_told_by_its_name(comparison):
    comparison["base"]["teacher"] = None
    with pytest.raises(PrunekitError, match="teacher"):
        trial_recipe(Comparison.parse(comparison), Trial("narrow", BudgetSection(examples=24), 0))


def test_a_taught_teacher_answers_for_itself(comparison):
    trial = Trial("narrow", BudgetSection(examples=24), 0)
    assert trial_recipe(Comparison.parse(comparison), trial).measure.dense_predictions is not None
    comparison["base"]["teacher"] = {"steps": 5}
    assert trial_recipe(Comparison.parse(comparison), trial).measure.dense_predictions is None


def test_the_base_recipe_writes_into_the_comparison(comparison):
    recipe = base_recipe(Comparison.parse(comparison))
    assert recipe.output == comparison["output"]
    assert recipe.options == {"encoder_sparsity": 0.5}
