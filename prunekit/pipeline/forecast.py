"""What a run will come to: the pruned model's size and speed, the run's time, and the disk that it needs."""

import copy
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from prunekit._support.progress import counting
from prunekit.cut.surgery import cut_copy
from prunekit.cut.token_ids import vocabulary_group
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.latency.timing import Speed, speedups
from prunekit.latency.workload import input_maker_for
from prunekit.learn.bench import Bench
from prunekit.learn.training.budget import BudgetTracker, StepCounter, clock
from prunekit.learn.training.distillation import LABELS_ONLY
from prunekit.learn.training.phase import TrainingPhase
from prunekit.learn.training.step_cost import estimate_step_cost
from prunekit.pipeline.expected import ExpectedWork, expected_work
from prunekit.pipeline.recovery import cached_steps, recovery_phase
from prunekit.pipeline.state import RunState
from prunekit.pipeline.targets import expected_examples, expected_training, share_to_write
from prunekit.recipe import Recipe, RecoverySection
from prunekit.report.forecast_section import ForecastSection, ShapeForecast
from prunekit.report.sections import LayersSection

WORTH_TIMING = 200
"""Steps of training before which a few steps are timed, so that the look takes no large part of the run."""

REPEATS = 3
"""Rounds in which the expected shape is timed against the dense model."""

CHECKPOINTS = 2
"""Checkpoints on the disk while the second is written."""

FULL_PRECISION = 4
"""Bytes of a number in training."""

OPTIMIZER_NUMBERS = {"adamw": 2, "muon": 1}
"""Numbers that an optimizer keeps for each weight."""


def forecast(state: RunState, answer_seconds: float | None) -> ForecastSection:
    """What the run will come to; `answer_seconds` are those of one evaluation of the dense model's answers.

    Speed and time are left out where `answer_seconds` is None, which says that nothing is to be timed.
    """
    work = expected_work(state)
    timed = answer_seconds is not None
    speed = _speed(state, work) if timed and work is not None else None
    seconds = None
    if work is not None and answer_seconds is not None:
        seconds = _training_seconds(state, work) + answer_seconds * (1 + 1 / (speed.speedup if speed else 1))
        seconds += answer_seconds * share_to_write(state)
    return ForecastSection(
        shape=None if work is None else _shape(state, work, speed),
        steps=None if work is None else training_steps(state, work.phases),
        seconds=seconds,
        disk=_disk(state, work),
        free=shutil.disk_usage(_existing(Path(state.recipe.output))).free,
    )


def is_worth_timing(state: RunState) -> bool:
    """Whether so much training lies ahead that timing a few steps of it costs next to nothing."""
    return state.recipe.budget.limited or state.named_steps >= WORTH_TIMING


def training_steps(state: RunState, phases: Iterable[TrainingPhase]) -> int | None:
    """All training steps of the run; None where a budget in seconds decides."""
    recipe = state.recipe
    if recipe.budget.cpu_seconds is not None:
        return None
    if recipe.budget.examples is not None:
        return recipe.teacher.steps + _counter(state).steps(recipe.budget.examples)
    return recipe.teacher.steps + recipe.recovery.steps + sum(phase.steps for phase in phases)


def _shape(state: RunState, work: ExpectedWork, speed: Speed | None) -> ShapeForecast:
    graph = state.dense.graph
    layers = LayersSection.of(graph.groups, work.total)
    return ShapeForecast(
        encoder_layers=len(layers.encoder_kept),
        dense_encoder_layers=layers.encoder_dense,
        decoder_layers=len(layers.decoder_kept),
        dense_decoder_layers=layers.decoder_dense,
        parameters=graph.size.of(work.total),
        dense_parameters=graph.size.whole,
        workload=None if speed is None else speed.workload,
        speedup=None if speed is None else speed.speedup,
    )


def _speed(state: RunState, work: ExpectedWork) -> Speed | None:
    """Of a copy of the dense model that is cut to the expected shape; None where no workload is named."""
    measure = state.recipe.measure
    if not measure.workloads:
        return None
    dense = state.dense
    small = {"pruned": cut_copy(dense.model, work.total, dense.adapter, dense.graph)}
    tell = counting(state.progress, "expected speed")
    sources = input_maker_for(dense.processor)
    arguments = (measure.workloads[0], REPEATS, measure.threads, state.recipe.seed, tell, sources)
    return speedups(dense.model, small, *arguments)["pruned"]


def _training_seconds(state: RunState, work: ExpectedWork) -> float:
    """Wall seconds of all trainings, by a few steps of each kind."""
    recipe = state.recipe
    seconds = _seconds(state, state.plan, TrainingPhase(LABELS_ONLY, steps=recipe.teacher.steps))
    if recipe.budget.cpu_seconds is not None:
        return seconds + recipe.budget.cpu_seconds
    seconds += sum(_seconds(state, work.upfront, phase) for phase in work.phases)
    steps = recipe.recovery.steps
    if recipe.budget.examples is not None:
        steps = max(0, _counter(state).steps(recipe.budget.examples) - sum(phase.steps for phase in work.phases))
    return seconds + _recovery_seconds(state, work.total, recipe.recovery.model_copy(update={"steps": steps}))


def _recovery_seconds(state: RunState, plan: PruningPlan, recovery: RecoverySection) -> float:
    """Wall seconds of all stages of recovery."""
    phase = recovery_phase(recovery)
    counts = [stage.steps for stage in phase.parts]
    seconds = 0.0
    for number, stage in enumerate(phase.parts):
        own = TrainingPhase(phase.distillation, steps=stage.steps, frozen_stacks=stage.frozen)
        seconds += _seconds(state, plan, own, cached_steps(phase.parts, counts[:number]))
    return seconds


def _seconds(state: RunState, plan: PruningPlan, phase: TrainingPhase, done: int = 0) -> float:
    """Wall seconds of a training of the model that `plan` leaves, with all its tokens, after `done` others like it."""
    if not phase.steps:
        return 0.0
    dense = state.dense
    plan = _with_all_tokens(state, plan)
    context = replace(state.data.training, progress=None, budget=BudgetTracker(), train=expected_training(state))
    groups = groups_after(dense.graph.groups, plan)
    model = cut_copy(dense.model, plan, dense.adapter, dense.graph)
    if model is dense.model:  # an empty plan: what learns is not what teaches
        model = copy.deepcopy(model)
    learning = [parameter for parameter in dense.model.parameters() if parameter.requires_grad]
    teacher = state.teacher.of(dense.graph.groups, plan) if phase.distillation.needs_teacher else None
    trainer = Bench(model, context, lambda _: 0.0, groups, teacher, "forecast").trainer
    begun = (time.perf_counter(), clock(dense.device))
    cost = estimate_step_cost(trainer, phase)
    for parameter in learning:  # a teacher learns nothing, but this one is the live model itself
        parameter.requires_grad_(True)
    pace = (time.perf_counter() - begun[0]) / max(clock(dense.device) - begun[1], 1e-6)
    return pace * replace(cost, steps_per_epoch=_counter(state).steps_per_epoch).seconds(phase.steps, done)


def _with_all_tokens(state: RunState, plan: PruningPlan) -> PruningPlan:
    """The plan without what it removes of the vocabulary: rows are encoded with all tokens still."""
    vocabulary = vocabulary_group(state.dense.graph.groups)
    name = None if vocabulary is None else vocabulary.name
    return PruningPlan({group: kept for group, kept in plan.kept.items() if group != name})


def _counter(state: RunState) -> StepCounter:
    """How many examples a step sees, of all training rows."""
    return StepCounter(expected_examples(state), state.data.training.step_counter.batch)


def _disk(state: RunState, work: ExpectedWork | None) -> int:
    """The most bytes that the run has on the disk at once: results of trainings, two checkpoints, the pruned model."""
    size = state.dense.graph.size
    end = size.whole if work is None else size.of(work.total)
    trained = [FULL_PRECISION * weights for weights in _trained_weights(state.recipe, work, size.whole, end)]
    numbers = 1 + OPTIMIZER_NUMBERS[state.recipe.training.optimizer]
    checkpoints = CHECKPOINTS * numbers * max(trained, default=0)
    return end * state.dense.model.dtype.itemsize + sum(trained) + checkpoints


def _trained_weights(recipe: Recipe, work: ExpectedWork | None, whole: int, end: int) -> Iterator[int]:
    """How many weights each training of the run has."""
    if recipe.teacher.steps:
        yield whole
    yield from (whole for phase in (work.phases if work is not None else ()) if phase.steps)
    if recipe.recovery.steps or recipe.budget.limited:
        yield end


def _existing(path: Path) -> Path:
    """The nearest directory above a path that exists already, or itself."""
    absolute = path.absolute()
    return next(each for each in (absolute, *absolute.parents) if each.is_dir())
