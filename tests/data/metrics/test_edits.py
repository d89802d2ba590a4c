"""Error rates against Levenshtein's table."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunekit.data.metrics.character_errors import CharacterErrorRate
from prunekit.data.metrics.word_errors import WordErrorRate


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
    assert WordErrorRate("wer").score(predictions, references) == pytest.approx(words)
    assert CharacterErrorRate("cer").score(predictions, references) == pytest.approx(letters)


def test_the_longest_of_equally_good_references_counts():
    assert WordErrorRate("wer").score(["a b"], [["a", "a b c"]]) == pytest.approx(1 / 3)


def test_error_rates_pass_one():
    assert WordErrorRate("wer").score(["x y z"], [["a"]]) == 3
