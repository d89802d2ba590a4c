"""The recipes of the runs, and what cannot go in steps."""

from pathlib import Path

import pytest

from prunekit import PrunekitError, Recipe
from prunekit.front.recipes import continued_from, front_recipe, step_recipe
from prunekit.front.steps import front_steps
from prunekit.recipe import BudgetSection

REFUSED = {
    "a plan": ({"plan": "plan.json"}, "leave out plan"),
    "a speed": ({"target": {"speedup": 2.0}}, "aims at none"),
    "a teacher": ({"teacher": {"steps": 3}}, "share one dense model"),
    "random weights": ({"recovery": {"weights": "random"}}, "cannot be random"),
    "nothing to time": ({"measure": {"workloads": []}}, "name something to time"),
    "no depth": ({"strategy": "cofi", "options": {}}, "cannot be told how many decoder layers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_go_in_steps_is_refused(recipe, name):
    keys, why = REFUSED[name]
    with pytest.raises(PrunekitError, match=why):
        front_recipe(recipe(**keys))


def test_a_step_has_its_layers_its_budget_and_its_start(recipe):
    whole, strategy = front_recipe(recipe(recovery={"steps": 90, "learning_rate": 0.2}, start="outputs/begun"))
    assert strategy.spacing == "loss"
    first, second = front_steps([2, 1], 3, [None, 0.3], 90)
    one = step_recipe(whole, first, BudgetSection(examples=12), Path("out/decoder-2"), "dense.jsonl")
    assert one.options == {"spacing": "loss", "decoder_layers": 2}
    assert (one.output, one.start) == ("out/decoder-2", "outputs/begun")
    assert (one.budget.examples, one.recovery.steps) == (12, 30)
    measured = one.model_copy(update={"training": one.training.model_copy(update={"muon_precision": "bf16"})})
    two = step_recipe(whole, second, BudgetSection(examples=24), Path("out/decoder-1"), "dense.jsonl")
    two = continued_from(two, Path("out/decoder-2"), measured)
    assert two.options == {"spacing": "loss", "decoder_layers": 1, "encoder_sparsity": 0.3}
    assert (two.start, two.budget.examples, two.recovery.steps) == ("out/decoder-2", 24, 60)
    assert two.training.muon_precision == "bf16"
    assert two.recovery.learning_rate == 0.2
    assert two.measure.dense_predictions == "dense.jsonl"
    assert Recipe.parse(two.model_dump(mode="json")) == two
