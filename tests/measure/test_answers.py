"""The health of answers."""

import pytest

from prunekit.measure.answers import AnswerHealth, AnswersSection, repeats_itself


@pytest.mark.parametrize(
    ("text", "repeats"),
    [("a b a b a b", True), ("so so so", True), ("a b c a b", False), ("", False), ("a b c d a b c d a b c d", True)],
)
def test_repetition(text, repeats):
    assert repeats_itself(text) is repeats


def test_figures_are_shares_of_the_answers():
    health = AnswerHealth.of(["a b", "", "c c c c", "d"], [True, True, False, True])
    assert health == AnswerHealth(mean_length=7 / 4, empty=1 / 4, unended=1 / 4, repeating=1 / 4)
    assert AnswerHealth.of(["a"], None).unended is None


def test_what_pruning_changed_much_is_a_sentence():
    good = AnswerHealth(mean_length=10, empty=0, unended=0, repeating=0)
    empty = AnswerHealth(mean_length=0, empty=1, unended=0, repeating=0)
    rambling = AnswerHealth(mean_length=30, empty=0, unended=0.8, repeating=0.5)
    assert AnswersSection(dense=good, pruned=good).complaints() == []
    assert [text.split("answers ")[1][:9] for text in AnswersSection(dense=good, pruned=empty).complaints()] == [
        "are empty",
        "are short",
    ]
    said = " ".join(AnswersSection(dense=good, pruned=rambling).complaints())
    assert "80% of the pruned model's answers do not end" in said
    assert "50% of the pruned model's answers repeat themselves" in said
    assert "longer: 30.0 words" in said


def test_a_dense_model_that_rambles_as_much_is_no_complaint():
    rambling = AnswerHealth(mean_length=30, empty=0, unended=0.8, repeating=0.5)
    assert AnswersSection(dense=rambling, pruned=rambling).complaints() == []
