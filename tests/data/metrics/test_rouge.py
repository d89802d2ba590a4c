"""The metrics ``rouge1``, ``rouge2`` and ``rougeL``: shared words counted by hand."""

import pytest

from prunekit.data.metrics.rouge import Rouge


def test_rouge_is_the_mean_f1_of_shared_words_pairs_and_subsequences():
    rows = (["the cat sat", "Police killed the gunman."], [["the cat ran off"], ["the gunman killed police"]])
    assert Rouge("rouge1").score(*rows) == pytest.approx((2 * 2 / (3 + 4) + 1) / 2)
    assert Rouge("rouge2").score(*rows) == pytest.approx((2 * 1 / (2 + 3) + 2 * 1 / (3 + 3)) / 2)
    assert Rouge("rougeL").score(*rows) == pytest.approx((2 * 2 / (3 + 4) + 2 * 2 / (4 + 4)) / 2)


@pytest.mark.parametrize("name", ["rouge1", "rouge2", "rougeL"])
def test_rouge_takes_the_best_reference(name):
    assert Rouge(name).score(["a b c", "a b c"], [["x y z", "a b c"], ["x y z"]]) == pytest.approx(1 / 2)
