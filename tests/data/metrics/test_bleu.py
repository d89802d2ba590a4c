"""BLEU by hand, and by sacrebleu's own way over a whole corpus."""

from math import exp

import pytest
import sacrebleu

from prunekit.data.metrics.bleu import Bleu

BLEU = Bleu("bleu")


def test_bleu_is_the_geometric_mean_of_clipped_precisions_times_the_penalty_for_brevity():
    said = ["the cat sat on the mat", "birds sing at dawn"]
    meant = [["the cat sat on a mat"], ["birds sing at dawn today"]]
    precisions = [(5 + 4) / (6 + 4), (3 + 3) / (5 + 3), (2 + 2) / (4 + 2), (1 + 1) / (3 + 1)]
    mean = (precisions[0] * precisions[1] * precisions[2] * precisions[3]) ** (1 / 4)
    assert BLEU.score(said, meant) == pytest.approx(exp(1 - 11 / 10) * mean)


def test_bleu_takes_punctuation_off_words_and_keeps_capitals():
    assert BLEU.score(["Well, hello there."], [["Well , hello there ."]]) == pytest.approx(1)
    assert BLEU.score(["well, hello there."], [["Well, hello there."]]) < 0.8


def test_bleu_counts_the_ngrams_of_all_references_together():
    assert BLEU.score(["a b c d", "e f g h"], [["x x x x", "a b c d"], ["e f g h"]]) == pytest.approx(1)
    one, both = (
        BLEU.score(["a b c d e f g h"], [row]) for row in (["a b c d x x x x"], ["a b c d x x x x", "y y y y e f g h"])
    )
    precisions = {"one": (4 / 8, 3 / 7, 2 / 6, 1 / 5), "both": (8 / 8, 6 / 7, 4 / 6, 2 / 5)}
    for found, (first, second, third, fourth) in zip((one, both), precisions.values(), strict=True):
        assert found == pytest.approx((first * second * third * fourth) ** (1 / 4))


def test_sums_over_rows_come_to_sacrebleus_corpus_score():
    said = ["the cat sat on the mat", "", "birds sing, at dawn.", "a b"]
    meant = [["the cat sat on a mat", "a cat sat"], ["nothing"], ["birds sing at dawn today."], ["a b", "a b c d", "x"]]
    columns = [[row[place] if place < len(row) else None for row in meant] for place in range(3)]
    assert BLEU.score(said, meant) == pytest.approx(sacrebleu.corpus_bleu(said, columns).score / 100, abs=1e-12)
