"""Turns: means and their errors against closed forms and simulation, and when there are enough of them."""

import random
import statistics

import pytest

from prunekit.latency import interleave as module
from prunekit.latency.clocks import Reading
from prunekit.latency.interleave import (
    MAX_ROUNDS_FACTOR,
    SECONDS_PER_CALL,
    interleave,
    ratio_error,
    standard_error,
    trimmed_mean,
)


class Clock:
    """Time that passes only when told to: CPU seconds, and twice as many wall seconds."""

    now = 0.0

    def __call__(self):
        return Reading(self.now)

    def perf_counter(self):
        return 2 * self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def lasting(clock, seconds):
    """A call that takes the next of these seconds every time, and notes how often it was made."""
    left = iter(seconds)

    def call():
        call.made += 1
        clock.now += next(left)

    call.made = 0
    return call


def test_a_middle_forgets_the_outermost():
    assert trimmed_mean([1, 2, 6]) == 3
    assert trimmed_mean([5] * 9 + [1000]) == 5
    assert trimmed_mean([0, *[4] * 8, 12]) == 4
    assert trimmed_mean([3, 1]) == 2


def test_a_standard_error_is_that_of_a_mean():
    assert standard_error([1.0, 3.0]) == pytest.approx(1.0)  # the deviation is the root of 2
    assert standard_error([1.0]) == float("inf")


def test_what_disturbs_both_alike_does_not_count():
    slow = [1.0, 2.0, 4.0, 8.0]
    assert ratio_error(slow, [each / 2 for each in slow]) == pytest.approx(0)
    assert ratio_error(slow, [0.5, 0.5, 0.5, 0.5]) == pytest.approx(2 * standard_error(slow))
    assert ratio_error([1.0], [2.0]) is None


def test_errors_are_as_large_as_ratios_scatter():
    """What the jackknife says of one sample against how far many samples' ratios lie from each other."""
    chance = random.Random(0)

    def sample():
        dense, pruned = ([mean * chance.uniform(0.7, 1.3) for _ in range(30)] for mean in (3.0, 1.0))
        return trimmed_mean(dense) / trimmed_mean(pruned), ratio_error(dense, pruned)

    found = [sample() for _ in range(400)]
    scatter = statistics.stdev(ratio for ratio, _ in found)
    assert statistics.fmean(error for _, error in found) == pytest.approx(scatter, rel=0.15)


def test_no_more_turns_than_asked_where_calls_are_alike(clock):
    calls = {"a": lasting(clock, [0.4] * 99), "b": lasting(clock, [0.1] * 99)}
    found = interleave(calls, 3, clock)
    assert (calls["a"].made, calls["b"].made) == (3, 3)
    assert (found.ratio("a", "b"), found.error("a", "b")) == (pytest.approx(4), pytest.approx(0, abs=1e-9))
    assert found.seconds("b") == pytest.approx(0.1)
    assert found.wall["b"] == pytest.approx([0.2] * 3)


def test_more_turns_until_the_ratio_is_known(clock):
    chance = random.Random(0)
    noisy = [chance.uniform(0.0094, 0.0106) for _ in range(1000)]
    calls = {"a": lasting(clock, noisy[:500]), "b": lasting(clock, noisy[500:])}
    found = interleave(calls, 7, clock)
    assert 7 < calls["a"].made < 70
    assert found.error("a", "b") <= 0.01 * found.ratio("a", "b")
    before = {name: found.corrected[name][:-1] for name in calls}
    assert ratio_error(before["a"], before["b"]) > 0.01 * trimmed_mean(before["a"]) / trimmed_mean(before["b"])


def test_turns_end_where_they_would_take_too_long(clock):
    wild = [0.1, 2.0] * 500
    calls = {"a": lasting(clock, wild), "b": lasting(clock, [0.1] * 1000)}
    heard = []
    interleave(calls, 2, clock, advance=lambda: heard.append(1))
    assert len(heard) == 2 * calls["a"].made
    assert 2 < calls["a"].made < 2 * MAX_ROUNDS_FACTOR
    assert SECONDS_PER_CALL * 2 < 2 * clock.now < SECONDS_PER_CALL * 2 + 2 * 2.1  # a turn at most beyond it


def test_there_is_a_most(clock):
    calls = {"a": lasting(clock, [0.001, 0.002] * 50), "b": lasting(clock, [0.001] * 100)}
    interleave(calls, 1, clock)
    assert calls["a"].made == MAX_ROUNDS_FACTOR
