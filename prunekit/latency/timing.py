"""How fast: end-to-end `generate` of a dense and a pruned model, interleaved on the same work.

Layer ratios and block times flatter, so nothing less than the whole call is timed: warmed up, synchronised, with a
fixed number of new tokens, the models interleaved until the ratio is known. On a CPU the headline is the ratio of CPU
seconds, which other processes disturb less, corrected for a slow core where that can be measured (see `clocks`); raw
wall seconds stand beside it.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from pydantic import Field
from torch import Tensor
from transformers import PreTrainedModel

from prunekit._support.frozen import FrozenModel
from prunekit._support.modes import evaluation_mode
from prunekit._support.progress import StageProgress
from prunekit.errors import PrunekitError
from prunekit.latency.breakdown import BREAKDOWN_RUNS, Breakdown, measure_breakdown
from prunekit.latency.clocks import Clock, clock_for
from prunekit.latency.interleave import CallCounter, InterleavedTimes, interleave
from prunekit.latency.workload import InputMaker, check_workloads, generate_fixed, make_inputs, random_text
from prunekit.recipe import AUDIO_FRAME, Workload

log = logging.getLogger(__name__)

DENSE = ""
"""The dense model among the names of the others in `speedups`."""


class RealTime(FrozenModel):
    """Real-time factors: seconds of work for a second of audio. Example: at 0.14 a model is seven times real time."""

    dense: float
    pruned: float


class Timing(FrozenModel):
    """A dense and a pruned model on one workload. Example: 0.101 s against 0.034 s make a `speedup` of 3.0.

    `dense_s` and `pruned_s` are for one `generate`: CPU seconds of the process on a CPU, wall seconds on an
    accelerator. The `_wall_s` are always wall seconds; `speedup` and `wall_speedup` are the ratios, `speedup_error` is
    the standard error of the first, None after a single repeat and in reports from before it was kept. `breakdown` has
    the keys ``dense`` and ``pruned``, and is called ``split`` in JSON; `predicted_speedup` is a cost model's, where a
    speed was the target.
    """

    workload: Workload
    device: str
    threads: int
    dense_s: float
    pruned_s: float
    dense_wall_s: float
    pruned_wall_s: float
    speedup: float
    wall_speedup: float
    speedup_error: float | None = None
    predicted_speedup: float | None = None
    real_time: RealTime | None = None
    breakdown: Mapping[str, Breakdown] = Field(alias="split")

    def with_real_time(self) -> "Timing":
        """The same with its real-time factors, for models that read audio."""
        audio = self.workload.batch * self.workload.source * AUDIO_FRAME
        factors = RealTime(dense=self.dense_s / audio, pruned=self.pruned_s / audio)
        return self.model_copy(update={"real_time": factors})


class Speed(FrozenModel):
    """A model's speed on one workload as a multiple of the dense model's. Example: ``speedup=3.8, error=0.04``.

    `speedup` is in CPU time on a CPU, in wall time elsewhere; `error` is its standard error, where it is known.
    """

    workload: Workload
    speedup: float
    wall_speedup: float
    error: float | None = None


def compare_latency(
    dense: PreTrainedModel,
    pruned: PreTrainedModel,
    workloads: Sequence[Workload],
    repeats: int,
    threads: int,
    seed: int = 0,
    progress: StageProgress | None = None,
    sources: InputMaker = random_text,
) -> tuple[Timing, ...]:
    """Time both models on every workload, on `threads` threads of a CPU or on the device they are on.

    Each is timed `repeats` times at least, and more where the times differ too much (see `interleave`).
    Raises `PrunekitError` for a workload that is too long for a model (see `check_workloads`) and for models
    on two devices.
    """
    if dense.device != pruned.device:
        raise PrunekitError(f"The models are on {dense.device} and {pruned.device}; move them to one device.")
    for model in (dense, pruned):
        check_workloads(model, workloads)
    _warn_if_busy()
    counter = CallCounter(progress, len(workloads) * 2 * (1 + repeats + BREAKDOWN_RUNS))
    models = {"dense": dense, "pruned": pruned}
    with _measuring(models, threads) as clock:
        inputs = [make_inputs((dense, pruned), sources, workload, seed) for workload in workloads]
        pairs = zip(workloads, inputs, strict=True)
        return tuple(_time_pair(models, workload, made, repeats, clock, counter) for workload, made in pairs)


@contextmanager
def _measuring(models: Mapping[str, PreTrainedModel], threads: int) -> Iterator[Clock]:
    """A clock, with all models in evaluation mode and so many threads."""
    device = next(iter(models.values())).device
    with ExitStack() as modes:
        for model in models.values():
            modes.enter_context(evaluation_mode(model))
        modes.enter_context(use_threads(threads))
        yield modes.enter_context(clock_for(device, threads))


def _time_pair(
    models: Mapping[str, PreTrainedModel],
    workload: Workload,
    inputs: dict[str, Tensor],
    repeats: int,
    clock: Clock,
    counter: CallCounter,
) -> Timing:
    """The models called ``dense`` and ``pruned`` on one workload."""
    for model in models.values():
        _warm_up(model, inputs, workload)
        counter.advance()
    times = _interleaved(models, inputs, workload, repeats, clock, counter)
    return Timing(
        workload=workload,
        device=device_name(models["dense"].device),
        threads=torch.get_num_threads(),
        dense_s=times.seconds("dense"),
        pruned_s=times.seconds("pruned"),
        dense_wall_s=times.wall_seconds("dense"),
        pruned_wall_s=times.wall_seconds("pruned"),
        speedup=times.ratio("dense", "pruned"),
        wall_speedup=times.wall_ratio("dense", "pruned"),
        speedup_error=times.error("dense", "pruned"),
        breakdown={
            name: measure_breakdown(model, inputs, workload, clock, counter.advance) for name, model in models.items()
        },
    )


def _interleaved(
    models: Mapping[str, PreTrainedModel],
    inputs: dict[str, Tensor],
    workload: Workload,
    repeats: int,
    clock: Clock,
    counter: CallCounter,
) -> InterleavedTimes:
    """Seconds of one `generate` of each model."""
    calls = {name: partial(generate_fixed, model, inputs, workload) for name, model in models.items()}
    return interleave(calls, repeats, clock, counter.advance)


def speedups(
    dense: PreTrainedModel,
    others: Mapping[str, PreTrainedModel],
    workload: Workload,
    repeats: int,
    threads: int,
    seed: int = 0,
    progress: StageProgress | None = None,
    sources: InputMaker = random_text,
) -> dict[str, Speed]:
    """How many times faster than `dense` each other model is; all are interleaved, for `repeats` rounds at least.

    Only this makes the speeds of several models comparable on a machine that does other work too.
    """
    assert DENSE not in others, "that is what the dense model is called here"
    models = {DENSE: dense, **others}
    _warn_if_busy()
    counter = CallCounter(progress, len(models) * (1 + repeats))
    inputs = make_inputs(tuple(models.values()), sources, workload, seed)
    with _measuring(models, threads) as clock:
        for model in models.values():
            check_workloads(model, [workload])
            _warm_up(model, inputs, workload)
            counter.advance()
        times = _interleaved(models, inputs, workload, repeats, clock, counter)
    return {name: _speed(times, name, workload) for name in others}


def _speed(times: InterleavedTimes, name: str, workload: Workload) -> Speed:
    """Of one model over the dense one."""
    return Speed(
        workload=workload,
        speedup=times.ratio(DENSE, name),
        wall_speedup=times.wall_ratio(DENSE, name),
        error=times.error(DENSE, name),
    )


def _warm_up(model: PreTrainedModel, inputs: dict[str, Tensor], workload: Workload) -> None:
    """One run that fills caches and proves that the number of new tokens is what is timed."""
    made = generate_fixed(model, inputs, workload).shape[1] - 1
    if made != workload.new_tokens:
        raise PrunekitError(
            f"{type(model).__name__} made {made} new tokens where {workload.new_tokens} were asked for, so its time "
            "would not compare; remove what limits its length from its configuration."
        )


def device_name(device: torch.device) -> str:
    """``cpu``, or the name of the graphics card."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


@contextmanager
def use_threads(number: int) -> Iterator[None]:
    """So many threads of torch inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _warn_if_busy() -> None:
    """Other work on the machine spoils wall seconds and, through the caches, CPU seconds a little."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > cores:
        log.warning("The machine is busy (load %.1f on %d cores), so wall seconds will mislead.", load, cores)
