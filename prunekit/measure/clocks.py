"""Clocks to compare work by: CPU seconds, wall seconds of a device, and on one core the work that got done.

A core of a shared machine runs up to twice as slowly while whoever shares its execution units is busy, and that changes
within fractions of a second; CPU seconds do not tell. So the same small piece of work, a beat, is timed on the core
every few milliseconds, and CPU seconds count as many beats as they had room for.
"""

import gc
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from prunekit.measure.workload import synchronise

PERIOD = 0.004
"""Seconds from one beat to the next."""

CALLS = 15
"""Of an empty module and a small addition in a beat, which is what `generate` of a small model mostly consists of."""


class Clock(Protocol):
    """Says how much was done so far, in units of `unit` seconds."""

    def __call__(self) -> float:
        """How much was done so far."""
        ...

    @property
    def unit(self) -> float:
        """How many seconds a unit took on the average so far."""
        ...


@contextmanager
def clock_for(device: torch.device, threads: int) -> Iterator[Clock]:
    """The best clock for work on a device or on so many threads of the CPU, while the block runs.

    For one thread, where the system lets a process stay on a core: beats. Else CPU seconds, or wall seconds of a device
    once it has finished. What is in memory already does not occupy the garbage collector: the more models are timed
    together, the longer it would keep each of them waiting.
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


@dataclass(frozen=True)
class ProcessClock:
    """CPU seconds of the process."""

    unit: float = 1.0

    def __call__(self) -> float:
        """So far."""
        return time.process_time()


@dataclass(frozen=True)
class DeviceClock:
    """Wall seconds, once the device has finished."""

    device: torch.device
    unit: float = 1.0

    def __call__(self) -> float:
        """So far."""
        synchronise(self.device)
        return time.perf_counter()


@dataclass(frozen=True)
class Pace:
    """How much was done when the latest beat was over, and how long that one took.

    `done` is in beats, `cpu` and `start` are CPU seconds then and at the first beat, without those of the beats.
    """

    done: float
    start: float
    cpu: float
    beat: float

    def at(self, cpu: float) -> float:
        """How many beats there was room for at so many CPU seconds, if the core is as fast as at the latest."""
        return self.done + (cpu - self.cpu) / self.beat

    def after(self, cpu: float, beat: float) -> "Pace":
        """With a beat more, for which all CPU seconds since the one before count."""
        return Pace(self.done + (cpu - self.cpu) / beat, self.start, cpu, beat)

    @property
    def unit(self) -> float:
        """CPU seconds of a beat on the average."""
        return (self.cpu - self.start) / self.done if self.done else self.beat


class BeatClock:
    """Counts how many beats the process's CPU seconds had room for. A context manager: it beats inside the block.

    The beats' own CPU seconds do not count.
    """

    def __init__(self) -> None:
        self._stop, self._ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="beats", daemon=True)
        self._module, self._number = nn.Identity(), torch.zeros(256)
        self._latest = Pace(0.0, 0.0, 0.0, 1.0), 0.0

    def __enter__(self) -> "BeatClock":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def __call__(self) -> float:
        """So far."""
        pace, own = self._latest
        return pace.at(time.process_time() - own)

    @property
    def unit(self) -> float:
        """CPU seconds of a beat on the average."""
        return self._latest[0].unit

    def _run(self) -> None:
        self._beat()  # warms up
        beat, own = self._beat(), time.thread_time()
        start = time.process_time() - own
        self._latest = Pace(0.0, start, start, beat), own
        self._ready.set()
        while not self._stop.wait(PERIOD):
            beat, own = self._beat(), time.thread_time()
            self._latest = self._latest[0].after(time.process_time() - own, beat), own

    @torch.inference_mode()
    def _beat(self) -> float:
        """Seconds of the same small work as ever."""
        start = time.thread_time()
        for _ in range(CALLS):
            self._module(self._number).add(self._number)
        return time.thread_time() - start


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
