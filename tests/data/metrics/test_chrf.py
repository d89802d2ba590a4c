"""chrF by hand, and by sacrebleu's own way over a whole corpus."""

import pytest
import sacrebleu

from prunekit.data.metrics.chrf import Chrf

CHRF = Chrf("chrf")


def test_chrf_weighs_recall_twice_over_the_lengths_that_both_sides_have():
    assert CHRF.score(["abc"], [["abd"]]) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)  # precision is recall
    precision, recall = 1, (2 / 3 + 1 / 2) / 2
    assert CHRF.score(["ab"], [["abc"]]) == pytest.approx(5 * precision * recall / (4 * precision + recall))


def test_chrf_ignores_blanks_and_takes_the_best_reference():
    assert CHRF.score(["a bc", "dé"], [["abc"], ["xyz", "dé"]]) == pytest.approx(1)


def test_sums_over_rows_come_to_sacrebleus_corpus_score():
    said = ["the cat sat on the mat", "", "birds sing, at dawn.", "dé"]
    meant = [["the cat sat on a mat", "a cat sat"], ["nothing"], ["birds sing at dawn today."], ["de", "dé fg"]]
    columns = [[row[place] if place < len(row) else None for row in meant] for place in range(2)]
    assert CHRF.score(said, meant) == pytest.approx(sacrebleu.corpus_chrf(said, columns).score / 100, abs=1e-12)


def test_nothing_is_the_right_answer_to_nothing():
    assert CHRF.score([""], [[""]]) == 1
    assert CHRF.score(["", "a"], [["a"], [""]]) == 0
