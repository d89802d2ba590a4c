"""Clocks to compare work by: CPU seconds or, of a device, wall seconds; and the pace of the core meanwhile.

A core of a shared machine runs up to twice as slowly while whoever shares its execution units is busy, and that changes
within fractions of a second; CPU seconds do not tell. So the same small piece of work, a beat, is timed on the core
every few milliseconds. How much a slow core delays a call depends on what the call does, which the calls themselves
tell.
"""

import gc
import math
import os
import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch

from prunekit.latency.workload import synchronise

PERIOD = 0.005
"""Seconds from one beat to the next."""

ROUNDS = 1500
"""Of adding squares in a beat, a tenth of a millisecond: it needs no memory that a model could take from it."""

USUAL = 0.9
"""The power of the pace with which seconds grow, where it is not known; T5s small and large had 0.8 to 1.1."""

CERTAINTY = 0.04
"""How many squared deviations of the logarithm of the pace `USUAL` is worth: sixteen calls that differ by 5%."""


@dataclass(frozen=True)
class Spent:
    """What a call took, or everything so far: seconds, and the beats meanwhile with what they took together."""

    seconds: float
    beats: int = 0
    beaten: float = 0.0

    def __sub__(self, before: "Spent") -> "Spent":
        return Spent(self.seconds - before.seconds, self.beats - before.beats, self.beaten - before.beaten)

    @property
    def pace(self) -> float | None:
        """Seconds of a beat on the average; None where there was none."""
        return self.beaten / self.beats if self.beats else None


class Clock(Protocol):
    """Reads what was spent so far."""

    def __call__(self) -> Spent:
        """What was spent so far."""
        ...


@contextmanager
def clock_for(device: torch.device, threads: int) -> Iterator[Clock]:
    """The best clock for work on a device or on so many threads of the CPU, while the block runs.

    CPU seconds of the process or, of a device, wall seconds once it has finished; with beats for one thread where the
    system lets it stay on a core. What is in memory already does not occupy the garbage collector: the more models are
    timed together, the longer it would keep each of them waiting.
    """
    gc.collect()
    gc.freeze()
    try:
        if device.type != "cpu":
            yield DeviceClock(device)
        elif threads != 1 or not _may_stay_on_one_core():
            yield ProcessClock()
        else:
            with _on_one_core(), BeatClock() as clock:
                yield clock
    finally:
        gc.unfreeze()


def pace_factors(calls: Mapping[str, Sequence[Spent]]) -> dict[str, list[float]]:
    """Factors for the seconds of every call that free them from what the core's pace did to them.

    Seconds are taken to grow as a power of the pace, the same for all calls here: regression of their logarithms, those
    of calls of one name about their mean, towards `USUAL` where there is little to learn from. Calls without a beat are
    left as they are.
    """
    paces = {name: [call.pace for call in each] for name, each in calls.items()}
    known = [math.log(pace) for each in paces.values() for pace in each if pace]
    middle = statistics.fmean(known) if known else 0.0
    power = _power(calls)
    return {
        name: [math.exp(power * (middle - math.log(p))) if p else 1.0 for p in each] for name, each in paces.items()
    }


def _power(calls: Mapping[str, Sequence[Spent]]) -> float:
    """The slope of log seconds over log pace within the calls of a name, by ridge regression."""
    above, below = USUAL * CERTAINTY, CERTAINTY
    for each in calls.values():
        points = [(math.log(call.pace), math.log(call.seconds)) for call in each if call.pace and call.seconds > 0]
        if points:
            x, y = (statistics.fmean(values) for values in zip(*points, strict=True))
            above += sum((pace - x) * (seconds - y) for pace, seconds in points)
            below += sum((pace - x) ** 2 for pace, _ in points)
    return max(above / below, 0.0)


class ProcessClock:
    """CPU seconds of the process."""

    def __call__(self) -> Spent:
        """So far."""
        return Spent(time.process_time())


@dataclass(frozen=True)
class DeviceClock:
    """Wall seconds, once the device has finished."""

    device: torch.device

    def __call__(self) -> Spent:
        """So far."""
        synchronise(self.device)
        return Spent(time.perf_counter())


class BeatClock:
    """CPU seconds of the process without those of the beats. A context manager: it beats inside the block."""

    def __init__(self) -> None:
        self._stop, self._ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="beats", daemon=True)
        self._latest = Spent(0.0)

    def __enter__(self) -> "BeatClock":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def __call__(self) -> Spent:
        """So far."""
        latest = self._latest
        return Spent(time.process_time() - latest.seconds, latest.beats, latest.beaten)

    def _run(self) -> None:
        """Beat; `_latest` holds the thread's own CPU seconds."""
        while True:
            _beat(ROUNDS // 10)  # brings what a beat needs back into the cache, whatever was called meanwhile
            start = time.thread_time()
            _beat(ROUNDS)
            own = time.thread_time()
            self._latest = Spent(own, self._latest.beats + 1, self._latest.beaten + own - start)
            self._ready.set()
            if self._stop.wait(PERIOD):
                break


def _beat(rounds: int) -> int:
    """Work that never lets go of the interpreter, so that nothing comes in between."""
    total = 0
    for number in range(rounds):
        total += number * number
    return total


def _may_stay_on_one_core() -> bool:
    """Whether the system lets threads be kept on a core."""
    try:
        os.sched_setaffinity(0, os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return False
    return True


@contextmanager
def _on_one_core() -> Iterator[None]:
    """The calling thread, and those it starts, stay on one of the cores it may use."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
