"""Minitron (Muralidharan et al. 2024, arXiv 2407.14679): narrow by the size of activations, then distil.

What it is here: the same share of every group of heads and channels goes, those with the smallest activations on some
training batches. Its distillation is the recipe's recovery.
"""

from pydantic import Field

from prunekit import Bench, Problem, PruningPlan, Strategy, hookimpl, prune_to_size_uniform


class Minitron(Strategy):
    """Minitron: remove the heads and channels with the smallest activations, the same share of every layer."""

    encoder_sparsity: float = Field(0.3, ge=0, lt=1, description="share of the encoder's heads and channels to remove")
    decoder_sparsity: float = Field(0.3, ge=0, lt=1, description="share of the decoder's heads and channels to remove")
    batches: int = Field(16, ge=1, description="training batches on which activations are measured")

    def upfront(self, problem: Problem, bench: Bench) -> PruningPlan:
        plan = PruningPlan()
        for stack, sparsity in {"encoder": self.encoder_sparsity, "decoder": self.decoder_sparsity}.items():
            if sparsity:
                groups = problem.widths(stack)
                scores = bench.scores(groups, by="activation", batches=self.batches)
                most = problem.max_parameters(stack, sparsity)
                plan = plan.then(prune_to_size_uniform(groups, scores, problem.sizes[stack], most, problem.round_to))
        return plan

    def plan(self, problem: Problem, bench: Bench) -> PruningPlan:
        return PruningPlan()


@hookimpl
def prunekit_strategy() -> type[Strategy]:
    return Minitron
