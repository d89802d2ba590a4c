"""Filters of answers, against hand-made answers whose figures are known in closed form."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunekit.data.table import task_table
from prunekit.data.tasks import Task
from prunekit.measure.answer_filter import all_drop_reasons, count_reasons, drop_reasons, most_repeats, word_errors
from prunekit.measure.answer_log import WrittenAnswer
from prunekit.recipe import AnswerFilter, TaskSection


def answer(text="a b", ended=True, tokens=3, score=-0.5):
    return WrittenAnswer(text, ended, tokens, score)


def test_empty_and_unended_answers_are_dropped_without_any_key():
    assert drop_reasons(answer(), AnswerFilter(), 3) == ()
    assert drop_reasons(answer(" \n"), AnswerFilter(), 3) == ("empty",)
    assert drop_reasons(answer("", ended=False), AnswerFilter(), 3) == ("empty", "unended")
    assert drop_reasons(answer(ended=False), AnswerFilter(unended=True), 3) == ()


LIMITS = {
    "least_score": st.floats(-9, 0),
    "least_tokens": st.integers(1, 9),
    "most_tokens": st.integers(1, 9),
    "least_ratio": st.floats(0.1, 4),
    "most_ratio": st.floats(0.1, 4),
    "most_word_errors": st.floats(0, 2),
}


@given(
    rule=st.fixed_dictionaries({}, optional=LIMITS),
    tokens=st.integers(1, 9),
    score=st.floats(-9, 0),
    source=st.integers(1, 9),
    wrong=st.none() | st.floats(0, 2),
)
def test_an_answer_is_dropped_by_exactly_the_limits_that_it_breaks(rule, tokens, score, source, wrong):
    figures = {"score": score, "tokens": tokens, "ratio": tokens / source, "word_errors": wrong}
    broken = set()
    for key, limit in rule.items():
        side, _, figure = key.partition("_")
        value = figures[figure]
        if value is not None and (value < limit if side == "least" else value > limit):
            broken.add(key)
    assert set(drop_reasons(answer(tokens=tokens, score=score), AnswerFilter(**rule), source, wrong)) == broken


def test_a_score_that_is_no_number_is_below_every_limit():
    assert drop_reasons(answer(score=math.nan), AnswerFilter(least_score=-9), 3) == ("least_score",)
    assert drop_reasons(answer(score=math.nan), AnswerFilter(), 3) == ()


@given(st.lists(st.sampled_from("ab"), max_size=9), st.integers(1, 4))
def test_repeats_are_counted_as_by_hand(words, length):
    text = " ".join(words)
    grams = [words[start : start + length] for start in range(len(words) - length + 1)]
    assert most_repeats(text, length) == max((grams.count(gram) for gram in grams), default=0)


def test_repeats_of_three_words_by_default_and_of_characters_where_there_are_no_blanks():
    rule = AnswerFilter(most_repeats=1)
    assert drop_reasons(answer("a b c d a b c"), rule, 3) == ("most_repeats",)
    assert drop_reasons(answer("a b c d a b"), rule, 3) == ()
    assert drop_reasons(answer("a b a b"), AnswerFilter(most_repeats=1, repeat_length=2), 3) == ("most_repeats",)
    assert most_repeats("我喜欢我喜欢", 3) == 2


@pytest.fixture
def task():
    """Four rows: one without a label, one with two."""
    right = [["the cat sat"], [], ["one two three four"], ["so it is", "it is so"]]
    train = task_table(["w", "x", "y", "z"], [texts[0] if texts else "" for texts in right], right)
    return Task("t", train, train, train, TaskSection(), normalize=str.lower)


def test_word_errors_are_those_against_the_best_label_after_the_tasks_normalizer(task):
    answers = [answer(text) for text in ("The CAT sat", "whatever", "one two five", "it is")]
    assert word_errors(task, answers) == [0.0, None, 2 / 4, 1 / 3]
    reasons = all_drop_reasons(task, answers, AnswerFilter(most_word_errors=0.4), [1, 1, 1, 1])
    assert reasons == [(), (), ("most_word_errors",), ()]
    assert count_reasons([*reasons, ("empty",), ("empty", "unended")]) == {
        "empty": 2,
        "most_word_errors": 1,
        "unended": 1,
    }


def test_without_any_label_no_word_is_wrong():
    train = task_table(["a"], [""], [[]])
    assert word_errors(Task("t", train, train, train, TaskSection()), [answer()]) == [None]
