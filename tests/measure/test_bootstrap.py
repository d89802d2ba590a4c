"""The paired bootstrap: against the binomial it approximates, and against resampling by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunekit import plugins
from prunekit.loading.metrics import open_metric
from prunekit.measure.bootstrap import bootstrap_interval, paired_bootstrap

ROWS = 2000


def right(share):
    """Parts of exact matches: the first `share` of the rows are right."""
    return np.array([(float(n < share * ROWS), 1.0) for n in range(ROWS)])


def test_the_interval_is_that_of_a_share_where_only_some_rows_differ():
    """Where one side is right wherever the other is, the difference is a share of rows: its error is binomial."""
    found = paired_bootstrap(open_metric("exact_match"), [right(0.6)], [right(0.55)], resamples=4000)
    error = math.sqrt(0.05 * 0.95 / ROWS)
    assert found.gain == pytest.approx(0.05)
    assert found.low == pytest.approx(0.05 - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(0.05 + 1.96 * error, abs=0.1 * error)
    assert found.p < 0.001


def test_the_interval_of_one_side_is_that_of_a_share():
    error = math.sqrt(0.6 * 0.4 / ROWS)
    low, high = bootstrap_interval(open_metric("exact_match"), right(0.6), resamples=4000)
    assert (low, high) == pytest.approx((0.6 - 1.96 * error, 0.6 + 1.96 * error), abs=0.1 * error)


def test_a_pairing_is_much_sharper_than_two_samples():
    found = paired_bootstrap(open_metric("exact_match"), [right(0.6)], [right(0.59)])
    assert found.low > 0  # two independent samples could not tell 60% from 59% of 2,000 rows


def test_seeds_are_averaged_and_rows_stay_paired():
    ours, theirs = [right(0.6), right(0.64)], [right(0.62)]
    found = paired_bootstrap(open_metric("exact_match"), ours, theirs)
    assert found.gain == pytest.approx(0.0)
    # the same row weighs +1/2 on one side of the middle and -1/2 on the other: +-0.5 for 2% of the rows each
    error = math.sqrt(0.04 * 0.25 / ROWS)
    assert found.high - found.low > 2 * 1.96 * error, "what the seeds differ in comes on top"
    assert found.p > 0.5


def test_seeds_that_came_to_the_same_leave_what_two_single_runs_have():
    found = paired_bootstrap(open_metric("exact_match"), [right(0.6)] * 3, [right(0.55)] * 2, resamples=4000)
    error = math.sqrt(0.05 * 0.95 / ROWS)
    assert found.gain == pytest.approx(0.05)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_seeds_that_differ_widen_the_interval_by_their_spread():
    """Rows that are all alike leave the seeds alone to chance: every choice of three of the three, counted by hand."""

    def same(share):
        return np.full((50, 2), (share, 1.0))

    ours, theirs = [same(0.6), same(0.7), same(0.62)], [same(0.6)]
    found = paired_bootstrap(open_metric("exact_match"), ours, theirs, resamples=20_000)
    choices = [np.mean(choice) - 0.6 for choice in itertools.product((0.6, 0.7, 0.62), repeat=3)] * 100
    assert found.gain == pytest.approx(0.04)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(choices, (0.025, 0.975))), abs=1e-9)
    share = np.mean(np.array(choices) < 1e-9)  # all three draws are the seed that gained nothing
    assert found.p == pytest.approx(2 * share, rel=0.15)


def test_a_gain_that_hangs_on_one_seed_is_not_certain():
    ours = [right(0.6), right(0.6), right(0.75)]
    assert paired_bootstrap(open_metric("exact_match"), ours, [right(0.6)]).low <= 0
    assert paired_bootstrap(open_metric("exact_match"), [right(0.65)] * 3, [right(0.6)]).low > 0


def test_equal_sides_do_not_differ():
    found = paired_bootstrap(open_metric("exact_match"), [right(0.6)], [right(0.6)])
    assert (found.gain, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_fewer_errors_are_a_gain():
    few, many = np.array([(1.0, 10.0)] * 50), np.array([(2.0, 10.0)] * 50)
    assert paired_bootstrap(open_metric("wer"), [few], [many]).gain == pytest.approx(0.1)
    assert paired_bootstrap(open_metric("wer"), [many], [few]).gain == pytest.approx(-0.1)


@pytest.mark.parametrize("name", ["bleu", "wer", "chrf"])
def test_scores_that_are_no_means_are_those_of_the_rows_drawn(name):
    """The interval must be that of scoring the drawn texts anew, one resample at a time."""
    generator = np.random.default_rng(1)
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "the", "dog", "ran", "to", "it"]
    references = [[" ".join(generator.choice(words, size=7))] for _ in range(25)]

    def spoilt(share):
        texts = []
        for (text,) in references:
            texts.append(" ".join("x" if generator.random() < share else word for word in text.split()))
        return texts

    judge, good, bad = open_metric(name), spoilt(0.2), spoilt(0.4)
    parts = [[np.array(judge.row_parts(texts, references))] for texts in (good, bad)]
    found = paired_bootstrap(judge, *parts, resamples=600)
    drawn = []
    sign = 1 if judge.higher_is_better else -1
    for _ in range(600):
        rows = generator.integers(0, 25, size=25)
        scores = [judge.score([texts[n] for n in rows], [references[n] for n in rows]) for texts in (good, bad)]
        drawn.append(sign * (scores[0] - scores[1]))
    whole = sign * (judge.score(good, references) - judge.score(bad, references))
    assert found.gain == pytest.approx(whole, abs=1e-9)
    low, high = np.quantile(drawn, (0.025, 0.975))
    assert found.low == pytest.approx(low, abs=0.15 * (high - low))
    assert found.high == pytest.approx(high, abs=0.15 * (high - low))


texts = st.lists(st.sampled_from(["a", "b", "cd", "efg"]), max_size=6).map(" ".join)
rows = st.lists(st.tuples(texts, st.lists(texts.filter(bool), min_size=1, max_size=3)), min_size=1, max_size=6)


@pytest.mark.parametrize("name", plugins.names(plugins.METRICS))
@settings(max_examples=25, deadline=None)
@given(rows=rows)
def test_every_metric_is_the_figure_of_its_summed_parts(name, rows):
    judge = open_metric(name)
    predictions, references = zip(*rows, strict=True)
    totals = np.sum(np.array(judge.row_parts(predictions, references), dtype=float), axis=0)
    assert judge.figure(list(totals)) == pytest.approx(judge.score(predictions, references), abs=1e-9)
