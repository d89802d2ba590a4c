"""What recovery starts from and how long it may last."""

import copy

import torch
from transformers import PretrainedConfig

from prunekit.cut.surgery import cut
from prunekit.find.plan import PruningPlan
from prunekit.learn.bench import Bench
from prunekit.learn.training.distillation import Distillation
from prunekit.learn.training.phase import TrainingPhase
from prunekit.learn.training.step_cost import estimate_step_cost
from prunekit.loading.context import RunContext
from prunekit.recipe import BudgetSection, RecoverySection

FRESH_SEED = 1_000_003
"""Added to the seed of random weights, so that they are not by chance those from which the dense model was trained."""

TIMED_SHARE = 0.03
"""The share of a budget in seconds for which steps are timed, on a copy, to find how many the budget allows for."""


def affordable_steps(budget: BudgetSection, recovery: RecoverySection, bench: Bench, losses: Distillation) -> int:
    """The steps that the budget has left for recovery; with two limits, those of the tighter one."""
    context = bench.context
    spent = context.budget
    limits = []
    if budget.examples is not None:
        limits.append(context.step_counter.steps(budget.examples - spent.examples))
    if budget.cpu_seconds is not None:
        phase = TrainingPhase(losses, frozen_stacks=recovery.frozen)
        cost = estimate_step_cost(bench.trainer, phase, TIMED_SHARE * budget.cpu_seconds)
        limits.append(cost.steps(budget.cpu_seconds - spent.seconds))
    return min(limits)


def forget_weights(context: RunContext, plan: PruningPlan, config: PretrainedConfig, seed: int) -> None:
    """Give the pruned model random weights in the shape that `plan` left: training from scratch starts there.

    `config` is the original model's.
    """
    torch.manual_seed(FRESH_SEED + seed)
    fresh = context.adapter.fresh(copy.deepcopy(config))
    if plan != PruningPlan():
        fresh = cut(fresh, plan, context.adapter, context.graph, config)
    context.model.load_state_dict(fresh.state_dict())
