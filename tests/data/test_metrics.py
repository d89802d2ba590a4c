from math import exp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunekit.data.metrics import METRICS, metric, metrics, retained
from prunekit.errors import PrunekitError


def edits(left: list[str], right: list[str]) -> int:
    """Levenshtein's distance by the textbook table."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


def expected_rate(predictions, references, tokens) -> float:
    best = [
        min((edits(tokens(text), tokens(right)), -len(tokens(right))) for right in row)
        for text, row in zip(predictions, references, strict=True)
    ]
    return sum(wrong for wrong, _ in best) / -sum(length for _, length in best)


texts = st.lists(st.sampled_from(["a", "b", "cd"]), min_size=1, max_size=5).map(" ".join)
sets = st.lists(
    st.tuples(st.one_of(texts, st.just("")), st.lists(texts, min_size=1, max_size=3)), min_size=1, max_size=5
)


@settings(max_examples=60, deadline=None)
@given(sets)
def test_error_rates_are_edits_to_the_best_reference_over_its_tokens(rows):
    predictions, references = zip(*rows, strict=True)
    words, letters = (expected_rate(predictions, references, tokens) for tokens in (str.split, list))
    assert metric("wer").score(predictions, references) == pytest.approx(words)
    assert metric("per").score(predictions, references) == pytest.approx(words)
    assert metric("cer").score(predictions, references) == pytest.approx(letters)


def test_the_longest_of_equally_good_references_counts():
    assert metric("wer").score(["a b"], [["a", "a b c"]]) == pytest.approx(1 / 3)


def test_error_rates_pass_one():
    assert metric("wer").score(["x y z"], [["a"]]) == 3


def test_exact_match_takes_any_reference_and_forgives_blanks():
    assert metric("exact_match").score(["  R  IY D ", "no"], [["R EH D", "R IY D"], ["yes"]]) == 0.5


def test_bleu_is_the_geometric_mean_of_clipped_precisions_times_the_penalty_for_brevity():
    said = ["the cat sat on the mat", "birds sing at dawn"]
    meant = [["the cat sat on a mat"], ["birds sing at dawn today"]]
    precisions = [(5 + 4) / (6 + 4), (3 + 3) / (5 + 3), (2 + 2) / (4 + 2), (1 + 1) / (3 + 1)]
    mean = (precisions[0] * precisions[1] * precisions[2] * precisions[3]) ** (1 / 4)
    assert metric("bleu").score(said, meant) == pytest.approx(exp(1 - 11 / 10) * mean)


def test_bleu_takes_punctuation_off_words_and_keeps_capitals():
    assert metric("bleu").score(["Well, hello there."], [["Well , hello there ."]]) == pytest.approx(1)
    assert metric("bleu").score(["well, hello there."], [["Well, hello there."]]) < 0.8


def test_bleu_counts_the_ngrams_of_all_references_together():
    assert metric("bleu").score(["a b c d", "e f g h"], [["x x x x", "a b c d"], ["e f g h"]]) == pytest.approx(1)
    one, both = (
        metric("bleu").score(["a b c d e f g h"], [row])
        for row in (["a b c d x x x x"], ["a b c d x x x x", "y y y y e f g h"])
    )
    precisions = {"one": (4 / 8, 3 / 7, 2 / 6, 1 / 5), "both": (8 / 8, 6 / 7, 4 / 6, 2 / 5)}
    for found, (first, second, third, fourth) in zip((one, both), precisions.values(), strict=True):
        assert found == pytest.approx((first * second * third * fourth) ** (1 / 4))


def test_chrf_weighs_recall_twice_over_the_lengths_that_both_sides_have():
    assert metric("chrf").score(["abc"], [["abd"]]) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)  # precision is recall
    precision, recall = 1, (2 / 3 + 1 / 2) / 2
    assert metric("chrf").score(["ab"], [["abc"]]) == pytest.approx(5 * precision * recall / (4 * precision + recall))


def test_chrf_ignores_blanks_and_takes_the_best_reference():
    assert metric("chrf").score(["a bc", "dé"], [["abc"], ["xyz", "dé"]]) == pytest.approx(1)


def test_rouge_is_the_mean_f1_of_shared_words_pairs_and_subsequences():
    rows = (["the cat sat", "Police killed the gunman."], [["the cat ran off"], ["the gunman killed police"]])
    assert metric("rouge1").score(*rows) == pytest.approx((2 * 2 / (3 + 4) + 1) / 2)
    assert metric("rouge2").score(*rows) == pytest.approx((2 * 1 / (2 + 3) + 2 * 1 / (3 + 3)) / 2)
    assert metric("rougeL").score(*rows) == pytest.approx((2 * 2 / (3 + 4) + 2 * 2 / (4 + 4)) / 2)


@pytest.mark.parametrize("name", ["rouge1", "rouge2", "rougeL"])
def test_rouge_takes_the_best_reference(name):
    assert metric(name).score(["a b c", "a b c"], [["x y z", "a b c"], ["x y z"]]) == pytest.approx(1 / 2)


@pytest.mark.parametrize("name", METRICS)
def test_perfect_answers_and_silence_are_the_ends_of_the_scale(name):
    text = "en el principio crió Dios los cielos"
    best, worst = (1, 0) if metric(name).higher_is_better else (0, 1)
    assert metric(name).score([text] * 2, [[text]] * 2) == pytest.approx(best)
    assert metric(name).score([""] * 2, [[text]] * 2) == worst


def test_metrics_are_listed_in_order():
    names = ["bleu", "cer", "chrf", "exact_match", "per", "rouge1", "rouge2", "rougeL", "wer"]
    assert list(METRICS) == sorted(METRICS) == names
    assert {name: found.name for name, found in METRICS.items()} == {name: name for name in METRICS}


def test_an_unknown_metric_gets_a_hint():
    with pytest.raises(PrunekitError, match="no metric 'exact_mach'; did you mean 'exact_match'"):
        metric("exact_mach")
    with pytest.raises(PrunekitError, match="no metric 'meteor'; there are bleu, cer, chrf, exact_match, per, rouge1"):
        metric("meteor")


def test_several_metrics_start_with_the_headline():
    assert [found.name for found in metrics("chrf, bleu")] == ["chrf", "bleu"]
    with pytest.raises(PrunekitError, match="no metric 'bleu chrf'"):
        metrics("bleu chrf")
    with pytest.raises(PrunekitError, match="'bleu,bleu' name one of them twice"):
        metrics("bleu,bleu")


@pytest.mark.parametrize(("predictions", "references"), [([], []), (["a"], []), (["a"], [[]])])
def test_nothing_to_score_against_is_refused(predictions, references):
    with pytest.raises(PrunekitError, match="wer needs"):
        metric("wer").score(predictions, references)


def test_retained_is_a_share_of_what_the_dense_model_could_do():
    assert retained(metric("exact_match"), 0.8, 0.6) == pytest.approx(0.75)
    assert retained(metric("wer"), 0.2, 0.4) == pytest.approx(0.75)
    assert retained(metric("wer"), 0.5, 0.4) == pytest.approx(1.2)


def test_nothing_can_be_retained_of_nothing():
    assert retained(metric("exact_match"), 0.0, 0.3) is None
    assert retained(metric("wer"), 1.0, 0.3) is None
    assert retained(metric("wer"), 1.4, 0.3) is None
