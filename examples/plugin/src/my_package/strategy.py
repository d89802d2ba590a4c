"""The better half of the decoder's layers, and the encoder's units that the loss would miss most."""

from prunekit import Bench, Problem, PruningPlan, Strategy, hookimpl, prune_to_size
from pydantic import Field


class BetterHalf(Strategy):
    """Keep every other decoder layer, and the units of the encoder that the loss would miss most, wherever they are."""

    encoder_sparsity: float = Field(0.3, ge=0, lt=1, description="share of the encoder's heads and channels to remove")

    def upfront(self, problem: Problem, bench: Bench) -> PruningPlan:
        layers = problem.layers("decoder").ids
        halves = [PruningPlan({"decoder.layers": half}) for half in (layers[::2], layers[1::2]) if half]
        return min(halves, key=bench.loss)

    def plan(self, problem: Problem, bench: Bench) -> PruningPlan:
        groups = problem.widths("encoder")
        scores = bench.scores(groups, by="first_order")
        most = problem.max_parameters("encoder", self.encoder_sparsity)
        return prune_to_size(groups, scores, problem.sizes["encoder"], most, problem.round_to)


@hookimpl
def prunekit_strategy() -> type[Strategy]:
    return BetterHalf
