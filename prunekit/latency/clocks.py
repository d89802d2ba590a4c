"""Clocks to compare work by: CPU seconds or, on a device, wall seconds; and the pace of the core meanwhile.

A core of a shared machine runs up to twice as slowly while another process uses its execution units, and that changes
within fractions of a second; CPU seconds do not show it. So a small piece of reference work is timed on the same core
every few milliseconds. How much a slow core delays a call depends on what the call does, which is estimated from the
calls themselves.
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

REFERENCE_PERIOD = 0.005
"""Seconds between two pieces of reference work."""

REFERENCE_ROUNDS = 1500
"""Squares added in a piece of reference work: a tenth of a millisecond, and no memory that a model could use."""

PRIOR_POWER = 0.9
"""The power of the pace with which seconds grow, as expected beforehand; T5-small and T5-large had 0.8 to 1.1."""

PRIOR_WEIGHT = 0.04
"""How many squared deviations of the logarithm of the pace the prior counts as: sixteen calls that differ by 5%."""


@dataclass(frozen=True)
class Reading:
    """What a clock shows, or the difference of two readings: seconds, and the reference work done meanwhile.

    Example: ``Reading(0.05, 10, 0.001)`` is a call of 50 ms, with ten pieces of reference work of 0.1 ms each.
    """

    seconds: float
    references: int = 0
    reference_seconds: float = 0.0

    def __sub__(self, before: "Reading") -> "Reading":
        return Reading(
            self.seconds - before.seconds,
            self.references - before.references,
            self.reference_seconds - before.reference_seconds,
        )

    @property
    def pace(self) -> float | None:
        """Mean seconds of a piece of reference work; None where there was none."""
        return self.reference_seconds / self.references if self.references else None


class Clock(Protocol):
    """Called for what was spent so far."""

    def __call__(self) -> Reading:
        """What was spent so far."""
        ...


@contextmanager
def clock_for(device: torch.device, threads: int) -> Iterator[Clock]:
    """The best clock for work on a device or on so many threads of the CPU, while the block runs.

    CPU seconds of the process or, on a device, wall seconds once it has finished; with reference work for one thread
    where the system allows pinning it to a core. Objects that exist already are frozen out of garbage collection,
    which would otherwise slow timings with many models loaded.
    """
    gc.collect()
    gc.freeze()
    try:
        if device.type != "cpu":
            yield DeviceClock(device)
        elif threads != 1 or not _can_pin_threads():
            yield ProcessClock()
        else:
            with _pinned_to_one_core(), PacedClock() as clock:
                yield clock
    finally:
        gc.unfreeze()


def pace_factors(calls: Mapping[str, Sequence[Reading]]) -> dict[str, list[float]]:
    """Factors for the seconds of every call that take out what the core's pace did to them.

    Seconds are modelled as a power of the pace, the same for all calls: ridge regression of their logarithms, each
    name's about its own mean, towards `PRIOR_POWER`. Calls without reference work get the factor 1.
    """
    paces = {name: [call.pace for call in each] for name, each in calls.items()}
    logarithms = [math.log(pace) for each in paces.values() for pace in each if pace]
    mean = statistics.fmean(logarithms) if logarithms else 0.0
    power = _pace_power(calls)
    return {
        name: [math.exp(power * (mean - math.log(pace))) if pace else 1.0 for pace in each]
        for name, each in paces.items()
    }


def _pace_power(calls: Mapping[str, Sequence[Reading]]) -> float:
    """The slope of log seconds over log pace within the calls of a name, by ridge regression."""
    above = PRIOR_POWER * PRIOR_WEIGHT
    below = PRIOR_WEIGHT
    for each in calls.values():
        points = [(math.log(call.pace), math.log(call.seconds)) for call in each if call.pace and call.seconds > 0]
        if points:
            mean_pace, mean_seconds = (statistics.fmean(values) for values in zip(*points, strict=True))
            above += sum((pace - mean_pace) * (seconds - mean_seconds) for pace, seconds in points)
            below += sum((pace - mean_pace) ** 2 for pace, _ in points)
    return max(above / below, 0.0)


class ProcessClock:
    """CPU seconds of the process."""

    def __call__(self) -> Reading:
        """So far."""
        return Reading(time.process_time())


@dataclass(frozen=True)
class DeviceClock:
    """Wall seconds, once the device has finished."""

    device: torch.device

    def __call__(self) -> Reading:
        """So far."""
        synchronise(self.device)
        return Reading(time.perf_counter())


class PacedClock:
    """CPU seconds of the process without those of its reference work, which a thread does while the block runs."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reference work", daemon=True)
        self._latest = Reading(0.0)

    def __enter__(self) -> "PacedClock":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def __call__(self) -> Reading:
        """So far."""
        latest = self._latest
        return Reading(time.process_time() - latest.seconds, latest.references, latest.reference_seconds)

    def _run(self) -> None:
        """Do reference work every `REFERENCE_PERIOD`; `_latest` holds the thread's own CPU seconds."""
        while True:
            _reference_work(REFERENCE_ROUNDS // 10)  # warms the cache, whatever was called meanwhile
            start = time.thread_time()
            _reference_work(REFERENCE_ROUNDS)
            own = time.thread_time()
            before = self._latest
            self._latest = Reading(own, before.references + 1, before.reference_seconds + own - start)
            self._ready.set()
            if self._stop.wait(REFERENCE_PERIOD):
                break


def _reference_work(rounds: int) -> int:
    """Work that holds the interpreter's lock throughout, so that nothing comes in between."""
    total = 0
    for number in range(rounds):
        total += number * number
    return total


def _can_pin_threads() -> bool:
    """Whether the system allows pinning threads to a core."""
    try:
        os.sched_setaffinity(0, os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return False
    return True


@contextmanager
def _pinned_to_one_core() -> Iterator[None]:
    """The calling thread, and those it starts, stay on one of the cores it may use."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
