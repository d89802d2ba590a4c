"""What a training step will cost, from a few real ones: by this a budget in seconds becomes a number of steps."""

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset, Subset
from transformers import TrainerCallback
from transformers.trainer_pt_utils import LengthGroupedSampler

from prunekit.data.encoded import EncodedDataset
from prunekit.learn.bench import Bench
from prunekit.learn.training.budget import BudgetTracker, StepCost, clock
from prunekit.learn.training.distillation import Distillation, TeacherCache
from prunekit.learn.training.trainer import Teacher, training_arguments

WARM_UP = 3
TIMED = 8


def estimate_step_cost(
    bench: Bench, losses: Distillation, frozen_stacks: Sequence[str] = (), seconds: float = 0.0
) -> StepCost:
    """Time steps of such a training on a copy of the bench's model; the model and the teacher's cache stay as they are.

    First a few, which tell how many take about `seconds`; then those, if they are more. A machine that others use has
    a pace of its own from one moment to the next: the longer it is watched, the less a budget is missed.
    """
    rough = _timed(bench, losses, frozen_stacks, TIMED)
    count = int(seconds / rough.fresh)
    return _timed(bench, losses, frozen_stacks, count) if count > TIMED else rough


def _timed(bench: Bench, losses: Distillation, frozen_stacks: Sequence[str], count: int) -> StepCost:
    """The price by so many steps, after a few that do not count.

    The timed batches are spread over an epoch as the trainer would sort it, because their lengths differ. They come a
    second time where the teacher's answers, or what a frozen encoder gives, will be remembered; the caches are as
    short there, for so few rows, as the real ones are for all.
    """
    context = bench.context
    counter, steps = context.step_counter, WARM_UP + count
    taught = losses.needs_teacher and bench.teacher is not None
    remembered = "encoder" in frozen_stacks or (taught and "encoder" not in losses.hidden)
    with tempfile.TemporaryDirectory() as place:
        args = training_arguments(
            context.training, Path(place), steps * (1 + remembered), 1e-5, context.seed, context.device
        )
        args.save_strategy, args.train_sampling_strategy = "no", "sequential"
        marks = StepTimerCallback(context.device)
        copied = _copied(bench, Path(place), min(1.0, steps * counter.batch / counter.rows))
        rows = spread_batches(context.train, counter.batch, steps, context.seed)
        copied.fit(losses, None, args, rows, [marks], frozen_stacks=frozen_stacks)
    fresh = marks.mean(WARM_UP, steps)
    cached = marks.mean(steps + WARM_UP, 2 * steps) if remembered else fresh
    if not frozen_stacks and taught and bench.teacher is not None:
        known = bench.teacher.cache.rows  # of an earlier training
        fresh = cached if all((row, losses.temperature) in known for row in range(counter.rows)) else fresh
    return StepCost(fresh, cached, counter.epoch)


def _copied(bench: Bench, place: Path, share: float) -> Bench:
    """The bench with a copy of its model, empty and smaller caches, and nobody to listen or to charge."""
    limit = int(bench.context.encoder_cache_limit * share)
    context = replace(bench.context, directory=place, progress=None, budget=BudgetTracker(), encoder_cache_limit=limit)
    teacher = bench.teacher
    if teacher is not None:
        cache = TeacherCache(int(teacher.cache.limit * share), int(teacher.cache.states.limit * share))
        teacher = Teacher(teacher.model, teacher.layers, cache, teacher.dimensions)
    return Bench(copy.deepcopy(bench.model), context, bench.evaluate_model, bench.groups, teacher, bench.phase)


class StepTimerCallback(TrainerCallback):
    """The clock at the start of a training and after each of its steps."""

    def __init__(self, device: str):
        self.device = device
        self.times: list[float] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The start."""
        self.times.append(clock(self.device))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A step is done."""
        self.times.append(clock(self.device))

    def mean(self, start: int, end: int) -> float:
        """Seconds per step over the steps from number `start` to before `end`; never 0, whatever the clock's grain."""
        return max((self.times[end] - self.times[start]) / (end - start), 1e-6)


def spread_batches(rows: EncodedDataset, batch: int, count: int, seed: int) -> Dataset[dict[str, Any]]:
    """That many batches, in random order, from evenly spaced places in an epoch sorted as the trainer sorts it."""
    generator = torch.Generator().manual_seed(seed)
    order = list(LengthGroupedSampler(batch, lengths=rows.lengths, generator=generator))
    parts = [order[start : start + batch] for start in range(0, len(order), batch)]
    whole = parts[:-1] if len(parts) > 1 and len(parts[-1]) < batch else parts
    chosen = [whole[(2 * turn + 1) * len(whole) // (2 * count)] for turn in range(count)]
    mixed = torch.randperm(count, generator=generator).tolist()
    return Subset(rows, [n for turn in mixed for n in chosen[turn]])
