"""How fast: end-to-end `generate` of a dense and a pruned model, timed in turns on the same work.

Layer ratios and block times flatter, so nothing less than the whole call is timed: warmed up, synchronised, with a
fixed number of new tokens, the models in turns until the ratio is known. On a CPU the headline is the ratio of CPU
seconds, which other processes disturb less, freed from what a slow core does to them where that can be told (see
`clocks`); wall seconds stand beside it.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunekit._support.modes import evaluation_mode
from prunekit._support.progress import StageProgress
from prunekit.errors import PrunekitError
from prunekit.latency.breakdown import SPLIT_RUNS, Breakdown, measure_breakdown
from prunekit.latency.clocks import Clock, clock_for
from prunekit.latency.interleave import InterleavedTimes, Steps, interleave, trimmed_mean
from prunekit.latency.workload import Inputs, check_workloads, generate_fixed, made_for, random_text
from prunekit.recipe import Workload

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timing:
    """A dense and a pruned model on one workload. Example: 0.101 s against 0.034 s make a `speedup` of 3.0.

    `dense_s` and `pruned_s` are for one `generate`: CPU seconds of the process on a CPU, wall seconds on an
    accelerator. The `_wall_s` are always wall seconds; `speedup` and `wall_speedup` are the ratios, `speedup_error` is
    the standard error of the first, None after a single repeat.
    """

    workload: Workload
    device: str
    threads: int
    dense_s: float
    pruned_s: float
    dense_wall_s: float
    pruned_wall_s: float
    split: Mapping[str, Breakdown]
    speedup_error: float | None = None

    @property
    def speedup(self) -> float:
        """How many times faster the pruned model is: in CPU time on a CPU, in wall time elsewhere."""
        return self.dense_s / self.pruned_s

    @property
    def wall_speedup(self) -> float:
        """How many times faster it is by the clock on the wall."""
        return self.dense_wall_s / self.pruned_wall_s


@dataclass(frozen=True)
class Ratio:
    """How many times faster a model is than another, in CPU time on a CPU, and by the wall; `error` is the first's."""

    speedup: float
    wall_speedup: float
    error: float | None


def compare_latency(
    dense: PreTrainedModel,
    pruned: PreTrainedModel,
    workloads: Sequence[Workload],
    repeats: int,
    threads: int,
    seed: int = 0,
    progress: StageProgress | None = None,
    sources: Inputs = random_text,
) -> tuple[Timing, ...]:
    """Time both models on every workload, on `threads` threads of a CPU or on the device they are on.

    Each has `repeats` turns at least, and more where they differ too much (see `interleave`).
    Raises `PrunekitError` for a workload that is too long for a model (see `check_workloads`) and for models
    on two devices.
    """
    if dense.device != pruned.device:
        raise PrunekitError(f"The models are on {dense.device} and {pruned.device}; move them to one device.")
    for model in (dense, pruned):
        check_workloads(model, workloads)
    _warn_if_busy()
    each = 2 * (1 + repeats + SPLIT_RUNS)
    steps = Steps(progress, len(workloads) * each)
    with (
        evaluation_mode(dense),
        evaluation_mode(pruned),
        threads_of(threads),
        clock_for(dense.device, threads) as clock,
    ):
        made = [(workload, made_for((dense, pruned), sources, workload, seed)) for workload in workloads]
        return tuple(_compare(dense, pruned, workload, inputs, repeats, clock, steps) for workload, inputs in made)


def _compare(
    dense: PreTrainedModel,
    pruned: PreTrainedModel,
    workload: Workload,
    inputs: dict[str, Tensor],
    repeats: int,
    clock: Clock,
    steps: Steps,
) -> Timing:
    models = {"dense": dense, "pruned": pruned}
    for model in models.values():
        _warm_up(model, inputs, workload)
        steps.advance()
    turns = _in_turns(models, inputs, workload, repeats, clock, steps)
    return Timing(
        workload=workload,
        device=device_name(dense.device),
        threads=torch.get_num_threads(),
        dense_s=turns.seconds("dense"),
        pruned_s=turns.seconds("pruned"),
        dense_wall_s=trimmed_mean(turns.wall["dense"]),
        pruned_wall_s=trimmed_mean(turns.wall["pruned"]),
        split={
            name: measure_breakdown(model, inputs, workload, clock, steps.advance) for name, model in models.items()
        },
        speedup_error=turns.error("dense", "pruned"),
    )


def _in_turns(
    models: Mapping[str, PreTrainedModel],
    inputs: dict[str, Tensor],
    workload: Workload,
    repeats: int,
    clock: Clock,
    steps: Steps,
) -> InterleavedTimes:
    """Seconds of one `generate` of each model."""
    calls = {name: partial(generate_fixed, model, inputs, workload) for name, model in models.items()}
    return interleave(calls, repeats, clock, steps.advance)


def speedups(
    dense: PreTrainedModel,
    others: Mapping[str, PreTrainedModel],
    workload: Workload,
    repeats: int,
    threads: int,
    seed: int = 0,
    progress: StageProgress | None = None,
    sources: Inputs = random_text,
) -> dict[str, Ratio]:
    """How many times faster than `dense` each other model is; all of them take turns, `repeats` of them at least.

    Nothing but this makes the speeds of several models comparable on a machine
    that does other work too.
    """
    assert "" not in others, "that is what the dense model is called here"
    models = {"": dense, **others}
    _warn_if_busy()
    steps = Steps(progress, len(models) * (1 + repeats))
    inputs = made_for(tuple(models.values()), sources, workload, seed)
    with ExitStack() as modes:
        modes.enter_context(threads_of(threads))
        clock = modes.enter_context(clock_for(dense.device, threads))
        for model in models.values():
            check_workloads(model, [workload])
            modes.enter_context(evaluation_mode(model))
            _warm_up(model, inputs, workload)
            steps.advance()
        turns = _in_turns(models, inputs, workload, repeats, clock, steps)
    dense_wall = trimmed_mean(turns.wall[""])
    return {
        name: Ratio(turns.ratio("", name), dense_wall / trimmed_mean(turns.wall[name]), turns.error("", name))
        for name in others
    }


def _warm_up(model: PreTrainedModel, inputs: dict[str, Tensor], workload: Workload) -> None:
    """One run that fills caches and proves that the number of new tokens is what is timed."""
    made = generate_fixed(model, inputs, workload).shape[1] - 1
    if made != workload.new_tokens:
        raise PrunekitError(
            f"{type(model).__name__} made {made} new tokens where {workload.new_tokens} were asked for, so its time "
            "would not compare; remove what limits its length from its configuration."
        )


def device_name(device: torch.device) -> str:
    """``cpu``, or the name of the card."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


@contextmanager
def threads_of(number: int) -> Iterator[None]:
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
