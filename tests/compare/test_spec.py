"""Cells: which runs a comparison asks for, and what their recipes say; nothing is run."""

import itertools

import pytest
import yaml

from prunekit.compare.spec import Comparison, Trial, trial_recipe
from prunekit.errors import PrunekitError
from prunekit.recipe import BudgetSection


def names(comparison):
    return [cell.name for cell in Comparison.parse(comparison).cells()]


def test_every_variant_meets_every_budget_and_seed_and_the_control_is_there(comparison):
    comparison["budgets"] = [{"examples": 24}, {"cpu_seconds": 1.5, "examples": 50}]
    budgets = ("24ex", "1.5cpu-50ex")
    expected = {f"narrow-{b}-{s}" for b, s in itertools.product(budgets, (0, 1))}
    expected |= {f"shallow-{b}-0" for b in budgets}
    expected |= {f"dense-further-{b}-{s}" for b, s in itertools.product(budgets, (0, 1))}
    assert sorted(names(comparison)) == sorted(expected)


def test_a_variant_may_run_as_its_recipe_stands(comparison):
    comparison["variants"]["one-shot"] = {"recovery": {"steps": 0}, "budgets": [], "seeds": [3]}
    assert "one-shot-asis-3" in names(comparison)
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


def test_from_scratch_takes_the_shape_of_the_like_cell_where_there_is_one(comparison):
    comparison["variants"] |= {"fresh": {"from_scratch": "narrow"}, "again": {"from_scratch": "shallow"}}
    found = Comparison.parse(comparison)
    budget = BudgetSection(examples=24)
    assert found.needed(Trial("fresh", budget, 1)) == Trial("narrow", budget, 1)
    assert found.needed(Trial("again", budget, 1)) == Trial("shallow", budget, 0)
    recipe = trial_recipe(found, Trial("fresh", budget, 1))
    assert recipe.plan == f"{trial_recipe(found, Trial('narrow', budget, 1)).output}.plan.json"
    assert (recipe.recovery.weights, recipe.recovery.steps) == ("random", 1000)
    comparison["variants"]["alike"] = {"shape_of": "narrow"}
    alike = trial_recipe(Comparison.parse(comparison), Trial("alike", budget, 1))
    assert (alike.plan, alike.recovery.weights) == (recipe.plan, "kept")
    order = names(comparison)
    assert all(
        order.index(found.needed(cell).name) < order.index(cell.name) for cell in found.cells() if found.needed(cell)
    )


def test_a_variant_comes_before_those_of_its_shape_whatever_their_seeds(comparison):
    comparison["variants"] = {"late": {"seeds": [1]}, "fresh": {"from_scratch": "late", "seeds": [0]}}
    comparison["baselines"] = []
    order = names(comparison)
    assert order.index("late-24ex-1") < order.index("fresh-24ex-0")


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
    cell = Trial("narrow", BudgetSection(examples=24), 0)
    assert trial_recipe(Comparison.parse(comparison), cell).measure.dense_predictions is not None
    comparison["base"]["teacher"] = {"steps": 5}
    assert trial_recipe(Comparison.parse(comparison), cell).measure.dense_predictions is None


def test_the_base_may_stand_in_a_file_of_its_own(comparison, tmp_path):
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(comparison["base"]))
    (tmp_path / "words.yaml").write_text(yaml.safe_dump({**comparison, "base": "base.yaml", "name": "x"}))
    del comparison["name"]
    (tmp_path / "whole.yaml").write_text(yaml.safe_dump(comparison))
    whole, words = Comparison.load(tmp_path / "whole.yaml", "elsewhere"), Comparison.load(tmp_path / "words.yaml")
    assert whole.base == words.base
    assert (whole.name, whole.output, words.name) == ("whole", "elsewhere", "x")


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"variants": {"dense": {}}}, "cannot be called 'dense'"),
        ({"variants": {"a/b": {}}}, "cannot be called 'a/b'"),
        ({"variants": {"a": {"task": {}}}, "baselines": []}, "no key 'variants.a.task'"),
        ({"variants": {"a": {"optoins": {}}}}, "did you mean 'options'"),
        ({"variants": {"a": {"from_scratch": "b"}}}, "no variant of that name"),
        ({"variants": {"a": {"from_scratch": "a"}}}, "'a' has the shape of 'a'"),
        ({"variants": {"a": {}, "b": {"from_scratch": "a", "shape_of": "a"}}}, "'b' takes its shape from two variants"),
        (
            {"variants": {"a": {}, "b": {"from_scratch": "a"}, "c": {"from_scratch": "b"}}},
            "'b' has itself the shape of 'a'",
        ),
        ({"baselines": ["shalow"]}, "did you mean 'shallow'"),
        ({"seeds": []}, "at least 1 item"),
        ({"budgets": [{"examples": 0}]}, "greater than 0"),
        ({"base": 3}, "base"),
        ({"seeds": [0, 0]}, "Two runs would be called 'narrow-24ex-0'"),
        ({"budgets": [{"cpu_seconds": 1234567}, {"cpu_seconds": 1234568}]}, "Two runs would be called 'narrow-1.23"),
    ],
)
def test_what_is_wrong_is_one_sentence(comparison, keys, sentence):
    with pytest.raises(PrunekitError, match=sentence):
        Comparison.parse({**comparison, **keys})
