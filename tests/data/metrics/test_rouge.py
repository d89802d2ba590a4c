"""The metrics ``rouge1``, ``rouge2`` and ``rougeL``: shared words counted by hand."""

import pytest
from rouge_score.rouge_scorer import RougeScorer

from prunekit.data.metrics.rouge import Rouge


def test_rouge_is_the_mean_f1_of_shared_words_pairs_and_subsequences():
    rows = (["the cat sat", "Police killed the gunman."], [["the cat ran off"], ["the gunman killed police"]])
    assert Rouge("rouge1").score(*rows) == pytest.approx((2 * 2 / (3 + 4) + 1) / 2)
    assert Rouge("rouge2").score(*rows) == pytest.approx((2 * 1 / (2 + 3) + 2 * 1 / (3 + 3)) / 2)
    assert Rouge("rougeL").score(*rows) == pytest.approx((2 * 2 / (3 + 4) + 2 * 2 / (4 + 4)) / 2)


@pytest.mark.parametrize("name", ["rouge1", "rouge2", "rougeL"])
def test_rouge_takes_the_best_reference(name):
    assert Rouge(name).score(["a b c", "a b c"], [["x y z", "a b c"], ["x y z"]]) == pytest.approx(1 / 2)


@pytest.mark.parametrize("name", ["rouge1", "rouge2", "rougeL"])
def test_english_figures_are_those_of_rouge_score(name):
    said = "The U.S. can't have 1,000 well-known under_scored words"
    meant = "the US cannot have 1000 words, known as under scored; it can't"
    expected = RougeScorer([name]).score(meant, said)[name].fmeasure
    assert 0 < expected < 1
    assert Rouge(name).score([said], [[meant]]) == pytest.approx(expected)


def test_words_of_other_scripts_count():
    assert Rouge("rouge1").score(["кошка съела 2024 мышей"], [["в 2024 году выросли цены"]]) == pytest.approx(2 / 9)
    assert Rouge("rougeL").score(["в 2023 году выросли цены"], [["в 2024 году выросли цены"]]) == pytest.approx(4 / 5)
    assert Rouge("rouge2").score(["我喜欢那书"], [["我喜欢这书"]]) == pytest.approx(2 / 4)


def test_equal_words_are_right_even_where_they_are_too_few_for_a_pair():
    assert Rouge("rouge2").score(["Hello.", "!", "?"], [["x", "hello"], ["!"], ["!"]]) == pytest.approx(2 / 3)
    assert Rouge("rouge2").score(["hello"], [["hello there"]]) == 0
