"""The better half of the decoder's layers, and what the loss would miss most of the encoder."""

from prunekit import PruningPlan, Strategy, hookimpl, prune_to_size
from pydantic import Field


class BetterHalf(Strategy):
    """Keep every other decoder layer, and of the encoder what the loss would miss most, wherever it is."""

    encoder_sparsity: float = Field(0.3, ge=0, lt=1, description="share of the encoder's heads and channels to remove")

    def upfront(self, problem, bench):
        layers = problem.layers("decoder").ids
        halves = [PruningPlan({"decoder.layers": half}) for half in (layers[::2], layers[1::2]) if half]
        return min(halves, key=bench.loss)

    def plan(self, problem, bench):
        groups = problem.widths("encoder")
        scores = bench.scores(groups, by="first_order")
        max_parameters = problem.max_parameters("encoder", self.encoder_sparsity)
        return prune_to_size(groups, scores, problem.sizes["encoder"], max_parameters, problem.round_to)


@hookimpl
def prunekit_strategy():
    return BetterHalf
