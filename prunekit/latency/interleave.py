"""Calls timed in alternation, until the ratios of their times are known well enough.

On a shared machine a call may take twice as long as the same call a moment later, so that a median of a few makes two
equal models differ by a tenth. Hence seconds are corrected for the core's pace (see `clocks`), calls are interleaved,
since neighbouring ones are disturbed alike, and a trimmed mean is taken, over as many rounds as its standard error
needs.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from prunekit._support.progress import StageProgress
from prunekit.latency.clocks import Clock, Reading, pace_factors

TRIM = 0.1
"""The share of the calls that a trimmed mean leaves out at either end."""

PRECISION = 0.01
"""The relative standard error of a ratio at which no more rounds are needed."""

MAX_ROUNDS_FACTOR = 10
"""At most so many times the rounds that were asked for are made."""

SECONDS_PER_CALL = 10.0
"""Seconds for each call, after which the rounds that were asked for are enough."""


class InterleavedTimes:
    """Seconds of every call by name, round by round: by a clock, corrected for the core's pace, and by the wall.

    `corrected` and `wall` are lists of seconds by name, `factors` are what the clock's seconds were multiplied with.
    Example: ten rounds of ``dense`` at 0.10 s and ``pruned`` at 0.04 s have the ratio 2.5 and the error 0.
    """

    def __init__(self, calls: Mapping[str, Sequence[Reading]], wall: Mapping[str, Sequence[float]]):
        self.factors = pace_factors(calls)
        self.corrected = {
            name: [call.seconds * factor for call, factor in zip(each, self.factors[name], strict=True)]
            for name, each in calls.items()
        }
        self.wall = wall

    def seconds(self, name: str) -> float:
        """The trimmed mean of a call's corrected seconds."""
        return trimmed_mean(self.corrected[name])

    def wall_seconds(self, name: str) -> float:
        """The trimmed mean of a call's wall seconds."""
        return trimmed_mean(self.wall[name])

    def ratio(self, name: str, other: str) -> float:
        """How many times as long as the other a call takes."""
        return self.seconds(name) / self.seconds(other)

    def wall_ratio(self, name: str, other: str) -> float:
        """The same by wall seconds, which nothing corrects."""
        return self.wall_seconds(name) / self.wall_seconds(other)

    def error(self, name: str, other: str) -> float | None:
        """The standard error of `ratio`; None after a single round."""
        return ratio_error(self.corrected[name], self.corrected[other])


def ratios_are_precise(times: InterleavedTimes) -> bool:
    """Whether the ratios of the first call to all others are known to `PRECISION`."""
    first, *others = times.corrected
    errors = [(times.error(first, other), times.ratio(first, other)) for other in others]
    return all(error is not None and error <= PRECISION * ratio for error, ratio in errors)


def interleave(
    calls: Mapping[str, Callable[[], object]],
    min_rounds: int,
    clock: Clock,
    advance: Callable[[], None] = lambda: None,
    enough: Callable[[InterleavedTimes], bool] = ratios_are_precise,
    max_seconds: float | None = None,
) -> InterleavedTimes:
    """Make all calls in rounds: at least `min_rounds`, and more until the times are `enough`.

    The rounds also end after `MAX_ROUNDS_FACTOR` times as many, and after `max_seconds` (`SECONDS_PER_CALL` for each
    call). Every other round is in reverse order, so that drift cancels out. `advance` is called after every call. The
    calls must have synchronised whatever device they use when they return.
    """
    readings: dict[str, list[Reading]] = {name: [] for name in calls}
    wall: dict[str, list[float]] = {name: [] for name in calls}
    limit = SECONDS_PER_CALL * len(calls) if max_seconds is None else max_seconds
    end = time.perf_counter() + limit
    for number in range(MAX_ROUNDS_FACTOR * min_rounds):
        if number >= min_rounds and (time.perf_counter() > end or enough(InterleavedTimes(readings, wall))):
            break
        for name in reversed(list(calls)) if number % 2 else calls:
            wall_start = time.perf_counter()
            start = clock()
            calls[name]()
            readings[name].append(clock() - start)
            wall[name].append(time.perf_counter() - wall_start)
            advance()
    return InterleavedTimes(readings, wall)


@dataclass
class CallCounter:
    """Counts calls and reports them as progress; more rounds than were foreseen move the end."""

    listener: StageProgress | None
    total: int
    done: int = 0

    def advance(self) -> None:
        """One more is done."""
        self.done += 1
        self.total = max(self.total, self.done)
        if self.listener:
            self.listener(self.done, self.total)


def trimmed_mean(values: Sequence[float]) -> float:
    """The mean without the share `TRIM` of the values at either end."""
    left_out = int(TRIM * len(values))
    return statistics.fmean(sorted(values)[left_out : len(values) - left_out])


def standard_error(values: Sequence[float]) -> float:
    """Of a `trimmed_mean` of several values, as if none were left out of it; infinite of a single one."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf


def ratio_error(above: Sequence[float], below: Sequence[float]) -> float | None:
    """The standard error of the ratio of two `trimmed_mean`s of interleaved values; None of a single round.

    The jackknife (Tukey 1958): one round is left out at a time, so that what disturbs both alike does not count.
    """
    count = len(above)
    if count < 2:
        return None
    ratios = [_mean_without(above, number) / _mean_without(below, number) for number in range(count)]
    return math.sqrt((count - 1) * statistics.pvariance(ratios))


def _mean_without(values: Sequence[float], number: int) -> float:
    """The trimmed mean without the value of one round."""
    return trimmed_mean([*values[:number], *values[number + 1 :]])
