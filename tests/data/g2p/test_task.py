"""The built-in task: its rows against CMUdict, and its defaults."""

import pytest

from prunekit.data import g2p
from prunekit.data.g2p.task import G2P, prunekit_task
from prunekit.loading.task import open_task
from prunekit.recipe import Recipe, TaskSection


@pytest.fixture(scope="module")
def task():
    return open_task(TaskSection(name="g2p"))


def test_training_rows_are_pronunciations_and_the_others_words(task):
    assert len(task.train) == sum(len(variants) for word, variants in g2p.words("train").items())
    assert task.dev["source"][:] == list(g2p.words("dev"))
    assert task.test["source"][:] == list(g2p.words("test"))


def test_every_pronunciation_of_a_test_word_is_right(task):
    words = g2p.words("test")
    several = [word for word, variants in words.items() if len(variants) > 1]
    row = task.test[task.test["source"][:].index(several[0])]
    assert tuple(row["references"]) == words[several[0]]
    assert task.metrics[0].score([row["references"][1]], [row["references"]]) == 1


def test_no_word_is_both_learned_and_tested(task):
    assert not set(task.train["source"][:]) & set(task.test["source"][:] + task.dev["source"][:])


def test_word_accuracy_is_the_headline_and_phonemes_stand_beside(task):
    assert [metric.name for metric in task.metrics] == ["exact_match", "per"]


def test_its_defaults_are_a_valid_recipe_that_cuts_no_word(task):
    recipe = Recipe.parse(dict(G2P.defaults))
    longest = max(len(text.split()) for text in task.train["target"][:] + task.test["target"][:])
    assert recipe.task.target_length > longest
    assert recipe.task.source_length > max(map(len, g2p.pronunciations()))
    assert [(work.batch, work.source, work.new_tokens) for work in recipe.measure.workloads] == [(1, 9, 9), (32, 9, 9)]


def test_the_hook_gives_the_class():
    assert prunekit_task() is G2P
    assert (G2P.name, G2P.adapter, G2P.model) == ("g2p", "t5", g2p.MODEL)
    assert G2P.summary.startswith("English words to phonemes")
