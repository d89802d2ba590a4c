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
        elif threads != 1 or not hasattr(os, "sched_setaffinity"):
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
class _State:
    """After the latest beat: beats' worth of work, CPU seconds without the beats' own, and seconds of that beat."""

    done: float
    cpu: float
    own: float
    beat: float


class BeatClock:
    """Counts how many beats the process's CPU seconds had room for. A context manager: it beats inside the block."""

    def __init__(self) -> None:
        self._stop, self._ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="beats", daemon=True)
        self._module, self._number = nn.Identity(), torch.zeros(256)
        self._start = self._state = _State(0.0, 0.0, 0.0, 1.0)

    def __enter__(self) -> "BeatClock":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def __call__(self) -> float:
        """How many beats there was room for so far."""
        state = self._state
        return state.done + (time.process_time() - state.own - state.cpu) / state.beat

    @property
    def unit(self) -> float:
        """CPU seconds of a beat on the average."""
        state = self._state
        return (state.cpu - self._start.cpu) / state.done if state.done else state.beat

    def _run(self) -> None:
        self._beat()  # warms up
        beat = self._beat()
        own = time.thread_time()
        self._start = self._state = _State(0.0, time.process_time() - own, own, beat)
        self._ready.set()
        while not self._stop.wait(PERIOD):
            beat, own, last = self._beat(), time.thread_time(), self._state
            cpu = time.process_time() - own
            self._state = _State(last.done + (cpu - last.cpu) / beat, cpu, own, beat)

    @torch.inference_mode()
    def _beat(self) -> float:
        """Seconds of the same small work as ever."""
        start = time.thread_time()
        for _ in range(CALLS):
            self._module(self._number).add(self._number)
        return time.thread_time() - start


@contextmanager
def _on_one_core() -> Iterator[None]:
    """The calling thread, and those it starts, stay on one of the cores it may use."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
