"""Recipe defaults: what a recipe leaves out, by the task; and what cannot be resolved."""

import pytest

from prunekit import PrunekitError, Recipe
from prunekit.loading.resolve import resolve


def test_the_built_in_example_without_a_word():
    recipe = resolve({})
    assert (recipe.adapter, recipe.task.name, recipe.model) == ("t5", "g2p", None)
    assert recipe == resolve({"adapter": "t5"}) == resolve({"task": {"name": "g2p"}})


def test_resolving_twice_changes_nothing():
    recipe = resolve({"seed": 3, "training": {"batch": 7}})
    assert resolve(recipe.model_dump(mode="json")) == recipe
    assert resolve(recipe.model_dump(exclude_unset=True)) == recipe


def test_the_users_keys_win_over_the_tasks_and_leave_the_others():
    plain, mine = resolve({}), resolve({"task": {"source_length": 9}, "training": {"learning_rate": 0.5}})
    assert (mine.task.source_length, mine.training.learning_rate) == (9, 0.5)
    assert mine.task.target_length == plain.task.target_length == 40
    assert mine.training.batch == plain.training.batch != Recipe().training.batch
    assert mine.measure == plain.measure != Recipe().measure


def test_a_tasks_options_are_for_its_strategy_only(monkeypatch):
    monkeypatch.setattr("prunekit.data.g2p.task.G2P.defaults", {"options": {"decoder_layers": 2}})
    assert resolve({}).options == resolve({"strategy": "nash"}).options == {"decoder_layers": 2}
    assert resolve({"options": {"steps": 1}}).options == {"decoder_layers": 2, "steps": 1}
    assert resolve({"strategy": "uniform"}).options == {}
    assert resolve({"options": {"preset": "code-faithful"}}).options == {"preset": "code-faithful"}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"adapter": "bart"}, r"'bart' has no built-in example \(adapters with one: t5\)"),
        ({"adapter": "brat"}, "no adapter 'brat'; did you mean 'bart'"),
        ({"task": {"name": "g2q"}}, "no task 'g2q'; did you mean 'g2p'|no task 'g2q'; there is only g2p"),
        ({"adapter": "bart", "task": {"name": "g2p"}}, "brings a model for the adapter 't5', not for 'bart'"),
        ({"tasc": {}}, "no key 'tasc' here; did you mean 'task'"),
        ({"task": "g2p"}, "task: Input should be a valid dictionary"),
    ],
)
def test_recipes_that_cannot_be_resolved(data, sentence):
    with pytest.raises(PrunekitError, match=sentence):
        resolve(data)
