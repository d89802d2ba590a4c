"""Uniform pruning: the same share of every group is removed, by a score that needs little or no training."""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from prunekit import (
    Bench,
    HardGates,
    Problem,
    PruningGroup,
    PruningPlan,
    Strategy,
    checked_layers,
    hookimpl,
    prune_to_size_uniform,
)

Refit = Callable[[PruningPlan], None]
"""Adapts the model's weights to a plan."""


class Uniform(Strategy):
    """Remove the weakest units of every group, the same share everywhere, at once or step by step while training.

    The same sparsity in both stacks is the control that shows whether it pays to treat them differently. Without steps
    and recovery this is one-shot pruning, by weights alone or (first_order) with some batches for calibration.
    """

    encoder_sparsity: float = Field(0.3, ge=0, lt=1, description="share of the encoder's heads and channels to remove")
    decoder_sparsity: float = Field(0.0, ge=0, lt=1, description="share of the decoder's heads and channels to remove")
    encoder_layers: int | list[int] | None = Field(None, description="encoder layers to keep: how many, or which")
    decoder_layers: int | list[int] | None = Field(None, description="decoder layers to keep: how many, or which")
    importance: Literal["magnitude", "first_order", "reconstruction", "random"] = Field(
        "magnitude",
        description="how units are scored: by their weights, by the loss's gradient, by how well the others can be "
        "refitted to replace them, or at random",
    )
    rounds: int = Field(1, ge=1, description="rounds of pruning on the way to the target; 1 is one-shot")
    steps: int = Field(0, ge=0, description="training steps in all, divided among the rounds")

    def upfront(self, problem: Problem, bench: Bench) -> PruningPlan:
        kept = {}
        for stack, layers in {"encoder": self.encoder_layers, "decoder": self.decoder_layers}.items():
            if layers is not None:
                kept[f"{stack}.layers"] = checked_layers(problem, stack, layers)
        return PruningPlan(kept)

    def plan(self, problem: Problem, bench: Bench) -> PruningPlan:
        groups = problem.widths("encoder", "decoder")
        plan = PruningPlan()
        for done in range(1, self.rounds + 1):
            scores, refit = self.scores(problem, bench, groups)
            plan = self.plan_for_round(problem, scores, plan, done / self.rounds)
            refit(plan)
            gates = HardGates(groups, plan)
            bench.fold(gates.kept)  # so that the next round's scores are those of a model without the removed units
            bench.train(gates=gates, steps=self.steps * done // self.rounds - self.steps * (done - 1) // self.rounds)
        return plan

    def scores(self, problem: Problem, bench: Bench, groups: list[PruningGroup]) -> tuple[Mapping[str, Tensor], Refit]:
        """One score per unit, by group, and what adapts the weights to the plan that the scores lead to."""
        if self.importance == "reconstruction":
            reconstruction = bench.reconstruction(groups)
            return reconstruction.scores, reconstruction.refit
        if self.importance != "random":
            return bench.scores(groups, by=self.importance), keep_weights
        generator = torch.Generator().manual_seed(problem.seed)
        return {group.name: torch.rand(len(group), generator=generator) for group in groups}, keep_weights

    def plan_for_round(
        self, problem: Problem, scores: Mapping[str, Tensor], before: PruningPlan, share: float
    ) -> PruningPlan:
        """The plan at this share of the way; units removed in an earlier round never return."""
        plan = before
        for stack, sparsity in {"encoder": self.encoder_sparsity, "decoder": self.decoder_sparsity}.items():
            if sparsity:
                groups = problem.widths(stack)
                size = problem.sizes[stack]
                max_parameters = size.whole - share * (size.whole - problem.max_parameters(stack, sparsity))
                current = {group.name: without_removed(group, scores[group.name], before) for group in groups}
                plan = plan.then(prune_to_size_uniform(groups, current, size, max_parameters, problem.round_to))
        return plan


def without_removed(group: PruningGroup, scores: Tensor, plan: PruningPlan) -> Tensor:
    """The scores of a group's units, minus infinity for those that `plan` removes."""
    removed = set(group.ids) - set(plan.of(group))
    current = scores.clone()
    current[group.positions(removed)] = float("-inf")
    return current


def keep_weights(plan: PruningPlan) -> None:
    """Change no weight."""


@hookimpl
def prunekit_strategy() -> type[Strategy]:
    return Uniform
