"""The metric ``exact_match``."""

from prunekit.data.metrics.exact_match import ExactMatch


def test_exact_match_takes_any_reference_and_forgives_blanks():
    assert ExactMatch("exact_match").score(["  R  IY D ", "no"], [["R EH D", "R IY D"], ["yes"]]) == 0.5
