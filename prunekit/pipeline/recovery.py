"""What recovery starts from, what its stages are, and how long they may last."""

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import nn
from transformers import PretrainedConfig

from prunekit._support.recovery_stage import RecoveryStage
from prunekit.cut.surgery import cut
from prunekit.errors import PrunekitError
from prunekit.find.plan import PruningPlan
from prunekit.learn.bench import Bench
from prunekit.learn.training.budget import StepCost
from prunekit.learn.training.distillation import Distillation
from prunekit.learn.training.freezing import frozen_parts
from prunekit.learn.training.phase import TrainingPhase, TrainingStage, encoder_frozen_since
from prunekit.learn.training.step_cost import estimate_step_cost
from prunekit.loading.context import RunContext
from prunekit.pipeline.run_directory import RunDirectory
from prunekit.recipe import BudgetSection, Recipe, RecoverySection
from prunekit.report.sections import RecoveredStage

FRESH_SEED = 1_000_003
"""Added to the seed of random weights, so that they are not by chance those from which the dense model was trained."""

TIMED_SHARE = 0.03
"""The share of a budget in seconds for which steps are timed, on a copy, to find how many the budget allows for."""


def recovery_stages(recovery: RecoverySection) -> tuple[RecoveryStage, ...]:
    """The stages of a recovery; without any it is one."""
    return recovery.stages or (RecoveryStage(frozen=recovery.frozen),)


def check_anything_trains(model: nn.Module, recovery: RecoverySection) -> None:
    """Raise `PrunekitError` for a stage that freezes all of the model's weights."""
    for stage in recovery_stages(recovery):
        with frozen_parts(model, stage.frozen):
            if not any(parameter.requires_grad for parameter in model.parameters()):
                raise PrunekitError(
                    f"With {', '.join(stage.frozen)} frozen this model has no weight left to train; freeze less in "
                    "recovery.frozen or recovery.stages."
                )


def recovery_phase(recovery: RecoverySection) -> TrainingPhase:
    """The training that a recovery of so many steps is."""
    stages = recovery_stages(recovery)
    counts = steps_by_share([stage.share for stage in stages], recovery.steps)
    parts = [TrainingStage(steps, stage.frozen, stage.rate) for steps, stage in zip(counts, stages, strict=True)]
    return TrainingPhase.in_stages(parts, Distillation.of(recovery.distillation), recovery.learning_rate)


def recovered_stages(phase: TrainingPhase, done: int) -> Iterator[RecoveredStage]:
    """What recovery was after `done` steps of a phase; nothing where it was one training of all weights."""
    plain = len(phase.parts) == 1 and not phase.parts[0].frozen and phase.parts[0].rate == 1
    for stage in () if plain else phase.parts:
        steps = min(stage.steps, done)
        done -= steps
        if steps:
            yield RecoveredStage(frozen=tuple(stage.frozen), steps=steps, rate=stage.rate)


def with_steps(recovery: RecoverySection, steps: Sequence[int]) -> RecoverySection:
    """The recovery of so many steps in every stage: they are its shares then, so that it is the same each time."""
    stages = recovery.stages
    if any(steps):
        stages = tuple(
            stage.model_copy(update={"share": float(own)}) for stage, own in zip(stages, steps, strict=False)
        )
    return recovery.model_copy(update={"steps": sum(steps), "stages": stages})


def steps_by_share(shares: Sequence[float], total: int) -> list[int]:
    """Whole steps for every share, `total` in all: each stage ends at the step nearest to its part of them.

    Example: 10 steps by shares of 1, 1 and 1 are 3, 4 and 3.
    """
    largest = max(shares)
    whole = sum(share / largest for share in shares)
    steps: list[int] = []
    passed = 0.0
    for share in shares:
        passed += share / largest
        steps.append(int(total * (passed / whole) + 0.5) - sum(steps))
    return steps


def within_budget(recipe: Recipe, bench: Bench, directory: RunDirectory) -> Recipe:
    """The recipe with the steps of recovery that its budget has left, found once in a run, in place of the budget."""
    if not recipe.budget.limited:
        return recipe
    steps = directory.once("recovery_stage_steps", lambda: affordable_steps(recipe.budget, recipe.recovery, bench))
    return recipe.model_copy(update={"recovery": with_steps(recipe.recovery, steps), "budget": BudgetSection()})


def affordable_steps(budget: BudgetSection, recovery: RecoverySection, bench: Bench) -> list[int]:
    """The steps that the budget has left for every stage of recovery; with two limits, those of the tighter one.

    Of seconds every stage has its share, by the cost of its own steps; where examples run out before them, all stages
    are shorter by the same factor.
    """
    context = bench.context
    spent = context.budget
    stages = recovery_stages(recovery)
    steps = None
    if budget.cpu_seconds is not None:
        losses = Distillation.of(recovery.distillation)
        costs = _stage_costs(stages, bench, losses, TIMED_SHARE * budget.cpu_seconds)
        steps = steps_for_seconds(stages, costs, budget.cpu_seconds - spent.seconds)
    if budget.examples is not None:
        most = context.step_counter.steps(budget.examples - spent.examples)
        if steps is None or most < sum(steps):
            steps = steps_by_share(steps or [stage.share for stage in stages], most)
    assert steps is not None
    return steps


def _stage_costs(stages: Sequence[RecoveryStage], bench: Bench, losses: Distillation, seconds: float) -> list[StepCost]:
    """What a step costs in every stage, each timed for its share of `seconds`."""
    whole = sum(stage.share for stage in stages)
    return [
        estimate_step_cost(
            bench.trainer, TrainingPhase(losses, frozen_stacks=stage.frozen), seconds * (stage.share / whole)
        )
        for stage in stages
    ]


def steps_for_seconds(stages: Sequence[RecoveryStage], costs: Sequence[StepCost], seconds: float) -> list[int]:
    """The steps of every stage that last until its share of `seconds` is over; at least one in all."""
    whole = sum(stage.share for stage in stages)
    steps: list[int] = []
    passed = 0.0
    used = 0.0
    for stage, cost in zip(stages, costs, strict=True):
        passed += stage.share
        done = cached_steps(stages, steps)
        own = cost.steps(seconds * (passed / whole) - used, done) if stage.share else 0
        used += cost.seconds(own, done)
        steps.append(own)
    if not any(steps):
        shares = [stage.share for stage in stages]
        steps[shares.index(max(shares))] = 1
    return steps


def cached_steps(stages: Sequence[RecoveryStage | TrainingStage], steps: Sequence[int]) -> int:
    """How many of the `steps` before the next stage have cached what its steps need.

    For a frozen encoder those since it froze, for the teacher's predictions all of them.
    """
    number = len(steps)
    since = encoder_frozen_since([stage.frozen for stage in stages], number)
    return sum(steps[since or 0 :])


def forget_weights(context: RunContext, plan: PruningPlan, config: PretrainedConfig, seed: int) -> None:
    """Give the pruned model random weights in the shape that `plan` left: training from scratch starts there.

    `config` is the original model's.
    """
    torch.manual_seed(FRESH_SEED + seed)
    fresh = context.adapter.fresh(copy.deepcopy(config))
    if plan != PruningPlan():
        fresh = cut(fresh, plan, context.adapter, context.graph, config)
    context.model.load_state_dict(fresh.state_dict())
