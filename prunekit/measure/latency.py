"""How fast: end-to-end `generate` of a dense and a pruned model, timed in turns on the same work.

Layer ratios and block times flatter, so nothing less than the whole call is timed: warmed up, synchronised, with a
fixed number of new tokens, the two models alternating, medians of the repeats. On a CPU the headline is the ratio of
CPU seconds, which other processes disturb little; wall seconds stand beside it.
"""

import logging
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunekit.errors import PrunekitError
from prunekit.measure.quality import Progress, evaluating
from prunekit.measure.split import SPLIT_RUNS, Split, split
from prunekit.measure.workload import Inputs, check, generate, made_for, random_text
from prunekit.recipe import Workload

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timing:
    """A dense and a pruned model on one workload. Example: 0.101 s against 0.034 s make a `speedup` of 3.0.

    `dense_s` and `pruned_s` are medians for one `generate`: CPU seconds of the process on a CPU, wall seconds on an
    accelerator. The `_wall_s` are always wall seconds; `speedup` and `wall_speedup` are the ratios.
    """

    workload: Workload
    device: str
    threads: int
    dense_s: float
    pruned_s: float
    dense_wall_s: float
    pruned_wall_s: float
    split: Mapping[str, Split]

    @property
    def speedup(self) -> float:
        """How many times faster the pruned model is: in CPU time on a CPU, in wall time elsewhere."""
        return self.dense_s / self.pruned_s

    @property
    def wall_speedup(self) -> float:
        """How many times faster it is by the clock on the wall."""
        return self.dense_wall_s / self.pruned_wall_s


def compare(
    dense: PreTrainedModel,
    pruned: PreTrainedModel,
    workloads: Sequence[Workload],
    repeats: int,
    threads: int,
    seed: int = 0,
    progress: Progress | None = None,
    sources: Inputs = random_text,
) -> tuple[Timing, ...]:
    """Time both models on every workload, on `threads` threads of a CPU or on the device they are on.

    Raises `PrunekitError` for a workload that is too long for a model (see `check`) and for models on two devices.
    """
    if dense.device != pruned.device:
        raise PrunekitError(f"The models are on {dense.device} and {pruned.device}; move them to one device.")
    for model in (dense, pruned):
        check(model, workloads)
    _warn_if_busy()
    each = 2 * (1 + repeats + SPLIT_RUNS)
    steps = _Steps(progress, len(workloads) * each)
    with evaluating(dense), evaluating(pruned), threads_of(threads):
        made = [(workload, made_for((dense, pruned), sources, workload, seed)) for workload in workloads]
        return tuple(_compare(dense, pruned, workload, inputs, repeats, steps) for workload, inputs in made)


@dataclass
class _Steps:
    """Counts what is done and tells whoever listens."""

    listener: Progress | None
    total: int
    done: int = 0

    def advance(self) -> None:
        self.done += 1
        if self.listener:
            self.listener(self.done, self.total)


def _compare(
    dense: PreTrainedModel,
    pruned: PreTrainedModel,
    workload: Workload,
    inputs: dict[str, Tensor],
    repeats: int,
    steps: _Steps,
) -> Timing:
    models = {"dense": dense, "pruned": pruned}
    for model in models.values():
        _warm_up(model, inputs, workload)
        steps.advance()
    headline, wall = _in_turns(models, inputs, workload, repeats, steps)
    return Timing(
        workload=workload,
        device=device_name(dense.device),
        threads=torch.get_num_threads(),
        dense_s=headline["dense"],
        pruned_s=headline["pruned"],
        dense_wall_s=wall["dense"],
        pruned_wall_s=wall["pruned"],
        split={name: split(model, inputs, workload, steps.advance) for name, model in models.items()},
    )


def _in_turns(
    models: Mapping[str, PreTrainedModel], inputs: dict[str, Tensor], workload: Workload, repeats: int, steps: _Steps
) -> tuple[dict[str, float], dict[str, float]]:
    """Medians of one `generate` of each model: CPU seconds on a CPU and wall seconds elsewhere, then wall seconds."""
    cpu: dict[str, list[float]] = {name: [] for name in models}
    wall: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(repeats):
        for name in sorted(models, reverse=bool(turn % 2)):  # who goes first alternates, so that drift cancels out
            wall_start, cpu_start = time.perf_counter(), time.process_time()
            generate(models[name], inputs, workload)
            cpu[name].append(time.process_time() - cpu_start)
            wall[name].append(time.perf_counter() - wall_start)
            steps.advance()
    headline = cpu if next(iter(models.values())).device.type == "cpu" else wall
    medians = [{name: statistics.median(each) for name, each in times.items()} for times in (headline, wall)]
    return medians[0], medians[1]


def speedups(
    dense: PreTrainedModel,
    others: Mapping[str, PreTrainedModel],
    workload: Workload,
    repeats: int,
    threads: int,
    seed: int = 0,
    progress: Progress | None = None,
    sources: Inputs = random_text,
) -> dict[str, tuple[float, float]]:
    """How many times faster than `dense` each other model is, in CPU time and by the wall; all of them take turns.

    On an accelerator both are wall time. Nothing but this makes the speeds of several models comparable on a machine
    that does other work too.
    """
    models = {"": dense, **others}
    _warn_if_busy()
    steps = _Steps(progress, len(models) * (1 + repeats))
    inputs = made_for(tuple(models.values()), sources, workload, seed)
    with ExitStack() as modes:
        modes.enter_context(threads_of(threads))
        for model in models.values():
            check(model, [workload])
            modes.enter_context(evaluating(model))
            _warm_up(model, inputs, workload)
            steps.advance()
        headline, wall = _in_turns(models, inputs, workload, repeats, steps)
    return {name: (headline[""] / headline[name], wall[""] / wall[name]) for name in others}


def _warm_up(model: PreTrainedModel, inputs: dict[str, Tensor], workload: Workload) -> None:
    """One run that fills caches and proves that the number of new tokens is what is timed."""
    made = generate(model, inputs, workload).shape[1] - 1
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
