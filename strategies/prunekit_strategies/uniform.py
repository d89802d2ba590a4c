"""Uniform pruning: the same share everywhere, by a score that needs little or no training."""

from typing import Literal

import torch
from pydantic import Field

from prunekit import HardGates, PruningPlan, Strategy, checked_layers, hookimpl, prune_to_size_uniform


class Uniform(Strategy):
    """Drop the weakest units of every group, the same share everywhere, at once or step by step while training.

    The same sparsity in both stacks is the control that shows whether it pays to treat them differently. Without steps
    and recovery this is one-shot pruning, by weights alone or (first_order) with some batches for calibration.
    """

    encoder_sparsity: float = Field(0.3, ge=0, lt=1, description="share of the encoder's heads and channels to remove")
    decoder_sparsity: float = Field(0.0, ge=0, lt=1, description="share of the decoder's heads and channels to remove")
    encoder_layers: int | list[int] | None = Field(None, description="encoder layers to keep: how many, or which")
    decoder_layers: int | list[int] | None = Field(None, description="decoder layers to keep: how many, or which")
    importance: Literal["magnitude", "first_order", "reconstruction", "random"] = Field(
        "magnitude",
        description="how units are scored: by weights, by what the loss would feel, by how well the others can be "
        "refitted to do without, or not at all",
    )
    rounds: int = Field(1, ge=1, description="cuts on the way to the target; 1 is one shot")
    steps: int = Field(0, ge=0, description="training steps in all, shared by the rounds")

    def upfront(self, problem, bench):
        wanted = {"encoder": self.encoder_layers, "decoder": self.decoder_layers}
        return PruningPlan(
            {
                f"{stack}.layers": checked_layers(problem, stack, value)
                for stack, value in wanted.items()
                if value is not None
            }
        )

    def plan(self, problem, bench):
        groups = problem.widths("encoder", "decoder")
        plan = PruningPlan()
        for done in range(1, self.rounds + 1):
            scores, refit = self.scores(problem, bench, groups)
            plan = self.thinned(problem, scores, plan, done / self.rounds)
            refit(plan)
            gates = HardGates(groups, plan)
            bench.fold(gates.kept)  # so that the next round's scores are of a model without what went
            bench.train(gates=gates, steps=self.steps * done // self.rounds - self.steps * (done - 1) // self.rounds)
        return plan

    def scores(self, problem, bench, groups):
        """One score per unit, and what is to be done with the plan that they lead to."""
        if self.importance == "reconstruction":
            found = bench.reconstruction(groups)
            return found.scores, found.refit
        if self.importance != "random":
            return bench.scores(groups, by=self.importance), leave
        generator = torch.Generator().manual_seed(problem.seed)
        return {group.name: torch.rand(len(group), generator=generator) for group in groups}, leave

    def thinned(self, problem, scores, before, share):
        """The plan at this share of the way; a unit that went in an earlier round never returns."""
        plan = before
        for stack, sparsity in (("encoder", self.encoder_sparsity), ("decoder", self.decoder_sparsity)):
            if sparsity:
                groups, size = problem.widths(stack), problem.sizes[stack]
                spent = {g.name: scores[g.name].clone() for g in groups}
                for group in groups:
                    gone = set(group.ids) - set(before.of(group))
                    spent[group.name][group.positions(gone)] = float("-inf")
                max_parameters = size.whole - share * (size.whole - problem.max_parameters(stack, sparsity))
                plan = plan.then(prune_to_size_uniform(groups, spent, size, max_parameters, problem.round_to))
        return plan


def leave(plan):
    """No weight changes."""


@hookimpl
def prunekit_strategy():
    return Uniform
