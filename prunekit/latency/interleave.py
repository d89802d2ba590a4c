"""Calls that take turns until their times are known well enough to be compared.

On a shared machine a call may take twice as long as the same call a moment later, so that a median of a few tells two
equal models apart by a tenth. Hence seconds that are freed from the core's pace (see `clocks`), turns, since
neighbouring calls are disturbed alike, a mean that only the outermost calls are left out of, and as many turns as it
takes.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from prunekit._support.progress import StageProgress
from prunekit.latency.clocks import Clock, Spent, pace_factors

TRIM = 0.1
"""The share of the calls that is left out of a mean at either end."""

PRECISION = 0.01
"""The standard error of a ratio at which nothing more needs to be timed."""

MOST = 10
"""So many times the turns that were asked for are the most that are taken."""

PATIENCE = 10.0
"""Seconds for each call, after which the turns that were asked for are enough."""


class InterleavedTimes:
    """Seconds of every call by name, turn by turn: by a clock, freed from the core's pace, and by the wall.

    Example: ten turns of ``dense`` at 0.10 s and ``pruned`` at 0.04 s have the ratio 2.5 and the error 0.
    """

    def __init__(self, calls: Mapping[str, Sequence[Spent]], wall: Mapping[str, Sequence[float]]):
        self.factors = pace_factors(calls)
        self.headline = {
            name: [call.seconds * factor for call, factor in zip(each, self.factors[name], strict=True)]
            for name, each in calls.items()
        }
        self.wall = wall

    def seconds(self, name: str) -> float:
        """What a call takes."""
        return trimmed_mean(self.headline[name])

    def ratio(self, name: str, other: str) -> float:
        """How many times as long as the other a call takes."""
        return trimmed_mean(self.headline[name]) / trimmed_mean(self.headline[other])

    def error(self, name: str, other: str) -> float | None:
        """The standard error of their ratio; None after a single turn."""
        return ratio_error(self.headline[name], self.headline[other])


def ratios_are_precise(turns: InterleavedTimes) -> bool:
    """Whether the ratios of the first call to all others are known to `PRECISION`."""
    first, *others = turns.headline
    errors = [(turns.error(first, other), turns.ratio(first, other)) for other in others]
    return all(error is not None and error <= PRECISION * ratio for error, ratio in errors)


def interleave(
    calls: Mapping[str, Callable[[], object]],
    least: int,
    clock: Clock,
    advance: Callable[[], None] = lambda: None,
    enough: Callable[[InterleavedTimes], bool] = ratios_are_precise,
    patience: float | None = None,
) -> InterleavedTimes:
    """Call all of them `least` times at least, until that is `enough`.

    `MOST` turns and `patience`, in seconds (`PATIENCE` for each call), end it too. Who goes first alternates, so that
    drift cancels out. `advance` hears of every call. The calls must have synchronised whatever device they use when
    they return.
    """
    spent: dict[str, list[Spent]] = {name: [] for name in calls}
    wall: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + (PATIENCE * len(calls) if patience is None else patience)
    for turn in range(MOST * least):
        if turn >= least and (time.perf_counter() > end or enough(InterleavedTimes(spent, wall))):
            break
        for name in reversed(list(calls)) if turn % 2 else calls:
            wall_start, start = time.perf_counter(), clock()
            calls[name]()
            spent[name].append(clock() - start)
            wall[name].append(time.perf_counter() - wall_start)
            advance()
    return InterleavedTimes(spent, wall)


@dataclass
class Steps:
    """Counts what is done and tells whoever listens; more turns than were foreseen move the end."""

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
    out = int(TRIM * len(values))
    return statistics.fmean(sorted(values)[out : len(values) - out])


def standard_error(values: Sequence[float]) -> float:
    """Of a `trimmed_mean` of several values, as if none were left out of it; infinite of a single one."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf


def ratio_error(above: Sequence[float], below: Sequence[float]) -> float | None:
    """The standard error of the ratio of two `trimmed_mean`s whose values were taken in turns; None of a single turn.

    The jackknife (Tukey 1958): a turn is left out at a time, so that what disturbs both alike does not count.
    """
    count = len(above)
    if count < 2:
        return None
    without = [_without(above, turn) / _without(below, turn) for turn in range(count)]
    return math.sqrt((count - 1) * statistics.pvariance(without))


def _without(values: Sequence[float], turn: int) -> float:
    return trimmed_mean([*values[:turn], *values[turn + 1 :]])
