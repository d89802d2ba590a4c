"""Estimates the cost of training steps from a few real ones, to turn a budget in seconds into a number of steps."""

import copy
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset, Subset
from transformers import Seq2SeqTrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler

from prunekit.data.encoded import EncodedDataset
from prunekit.learn.training.arguments import training_arguments
from prunekit.learn.training.budget import BudgetTracker, StepCost
from prunekit.learn.training.callbacks import StepTimerCallback
from prunekit.learn.training.context import TrainingContext
from prunekit.learn.training.phase import TrainingPhase
from prunekit.learn.training.phase_trainer import PhaseTrainer
from prunekit.learn.training.teacher import Teacher, TeacherCache

WARM_UP = 3
"""Steps that are not timed."""
TIMED = 8
"""Steps that are timed at least."""


def estimate_step_cost(trainer: PhaseTrainer, phase: TrainingPhase, seconds: float = 0.0) -> StepCost:
    """Time steps of such a phase on a copy of the trainer's model; the model and the teacher's cache do not change.

    First a few steps, to estimate how many take about `seconds`; then those, if they are more. On shared machines the
    time of a step drifts: timing for longer gives a better estimate.
    """
    rough = time_steps(trainer, phase, TIMED)
    count = int(seconds / rough.fresh)
    return time_steps(trainer, phase, count) if count > TIMED else rough


def time_steps(trainer: PhaseTrainer, phase: TrainingPhase, count: int) -> StepCost:
    """The cost by `count` steps after `WARM_UP` others.

    The timed batches are spread over an epoch as the trainer would sort it, because their lengths differ. Where the
    training will cache what the teacher or a frozen encoder computes, the batches come a second time. The caches of the
    copy are limited by as much as it has fewer rows.
    """
    context = trainer.context
    counter = context.step_counter
    steps = WARM_UP + count
    caching = _caches_anything(trainer, phase)
    timer = StepTimerCallback(context.device)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        copied = _copied(trainer, directory, min(1.0, steps * counter.batch / counter.rows))
        rows = spread_batches(context.train, counter.batch, steps, context.seed)
        arguments = _arguments(context, directory, steps * (1 + caching))
        copied.fit(phase, arguments, rows, [timer])
    fresh = timer.mean(WARM_UP, steps)
    cached = timer.mean(steps + WARM_UP, 2 * steps) if caching else fresh
    if not phase.frozen_stacks and _is_cached_already(trainer, phase):
        fresh = cached
    return StepCost(fresh, cached, counter.steps_per_epoch)


def _caches_anything(trainer: PhaseTrainer, phase: TrainingPhase) -> bool:
    """Whether later epochs of the phase are cheaper: by cached outputs of a frozen encoder or of the teacher."""
    taught = phase.distillation.needs_teacher and trainer.teacher is not None
    return "encoder" in phase.frozen_stacks or (taught and "encoder" not in phase.distillation.hidden_weights)


def _is_cached_already(trainer: PhaseTrainer, phase: TrainingPhase) -> bool:
    """Whether an earlier training has cached the teacher's predictions of all rows."""
    if trainer.teacher is None or not phase.distillation.needs_teacher:
        return False
    known = trainer.teacher.cache.states
    return all((row, phase.distillation.temperature) in known for row in range(len(trainer.context.train)))


def _arguments(context: TrainingContext, directory: Path, steps: int) -> Seq2SeqTrainingArguments:
    """Arguments of a training without checkpoints, whose batches come in the order of the dataset."""
    arguments = training_arguments(context.training, directory, steps, 1e-5, context.seed, context.device)
    arguments.save_strategy = "no"
    arguments.eval_strategy = "no"
    arguments.train_sampling_strategy = "sequential"
    return arguments


def _copied(trainer: PhaseTrainer, directory: Path, share: float) -> PhaseTrainer:
    """The trainer with a copy of its model, empty caches of a `share` of their limits, and no budget or display."""
    training = trainer.context.training
    training = training.model_copy(update={"encoder_cache": training.encoder_cache * share})
    budget = BudgetTracker()
    context = replace(trainer.context, directory=directory, progress=None, budget=budget, training=training)
    teacher = trainer.teacher
    if teacher is not None:
        cache = TeacherCache(int(teacher.cache.limit * share), int(teacher.cache.encoder_cache.limit * share))
        teacher = Teacher(teacher.model, teacher.layers, cache, teacher.dimensions)
    return PhaseTrainer(copy.deepcopy(trainer.model), trainer.groups, context, teacher, trainer.name)


def spread_batches(rows: EncodedDataset, batch: int, count: int, seed: int) -> Dataset[dict[str, Any]]:
    """`count` batches, in random order, from evenly spaced positions in an epoch sorted as the trainer sorts it."""
    generator = torch.Generator().manual_seed(seed)
    order = list(LengthGroupedSampler(batch, lengths=rows.grouping_keys, generator=generator))
    batches = [order[start : start + batch] for start in range(0, len(order), batch)]
    full = batches[:-1] if len(batches) > 1 and len(batches[-1]) < batch else batches
    chosen = [full[(2 * turn + 1) * len(full) // (2 * count)] for turn in range(count)]
    shuffled = torch.randperm(count, generator=generator).tolist()
    return Subset(rows, [n for turn in shuffled for n in chosen[turn]])
