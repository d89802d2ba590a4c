import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunekit.data.metrics import METRICS, metric, retained
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


def test_metrics_are_listed_in_order():
    assert list(METRICS) == sorted(METRICS) == ["cer", "exact_match", "per", "wer"]
    assert {name: found.name for name, found in METRICS.items()} == {name: name for name in METRICS}


def test_an_unknown_metric_gets_a_hint():
    with pytest.raises(PrunekitError, match="no metric 'exact_mach'; did you mean 'exact_match'"):
        metric("exact_mach")
    with pytest.raises(PrunekitError, match="no metric 'bleu'; there are cer, exact_match, per, wer"):
        metric("bleu")


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
