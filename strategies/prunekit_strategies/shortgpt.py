"""ShortGPT (Men et al. 2024, arXiv 2403.03853): drop the layers that turn the hidden states least."""

from pydantic import Field

from prunekit import Bench, Problem, PruningPlan, Strategy, checked_layers, hookimpl


class ShortGPT(Strategy):
    """ShortGPT: keep the layers with the largest block influence, measured on some training batches."""

    encoder_layers: int | None = Field(None, description="how many encoder layers to keep; all when left out")
    decoder_layers: int | None = Field(3, description="how many decoder layers to keep; all when left out")
    batches: int = Field(16, ge=1, description="training batches on which the influence is measured")

    def upfront(self, problem: Problem, bench: Bench) -> PruningPlan:
        kept = {}
        for stack, count in {"encoder": self.encoder_layers, "decoder": self.decoder_layers}.items():
            if count is not None:
                kept[f"{stack}.layers"] = self.most_influential(problem, bench, stack, count)
        return PruningPlan(kept)

    def most_influential(self, problem: Problem, bench: Bench, stack: str, count: int) -> tuple[int, ...]:
        """The numbers of the `count` layers of a stack that turn the hidden states most."""
        checked_layers(problem, stack, count)
        group = problem.layers(stack)
        scores = bench.scores([group], by="influence", batches=self.batches)[group.name]
        strongest = scores.argsort(descending=True, stable=True)[:count].tolist()
        return tuple(group.ids[position] for position in sorted(strongest))

    def plan(self, problem: Problem, bench: Bench) -> PruningPlan:
        return PruningPlan()


@hookimpl
def prunekit_strategy() -> type[Strategy]:
    return ShortGPT
