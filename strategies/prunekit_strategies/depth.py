"""Depth alone, the control of every other method: copy some layers of either stack, then fine-tune (recovery)."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from prunekit import Bench, Problem, PruningPlan, Strategy, checked_layers, hookimpl, layers_by_loss

DISTILBART: dict[int, dict[int, list[int]]] = {
    12: {
        1: [0],
        2: [0, 6],
        3: [0, 6, 11],
        4: [0, 4, 8, 11],
        6: [0, 2, 4, 7, 9, 11],
        9: [0, 1, 2, 4, 5, 7, 9, 10, 11],
    },
    16: {
        2: [0, 15],
        3: [0, 8, 15],
        4: [0, 5, 10, 15],
        6: [0, 3, 6, 9, 12, 15],
        8: [0, 2, 4, 6, 8, 10, 12, 15],
        12: [0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 15],
    },
    6: {2: [0, 5], 3: [0, 2, 5], 4: [0, 1, 3, 5]},
}
"""The layers that DistilBART copies, by the teacher's layers and the student's (Shleifer and Rush, 2020)."""


class Depth(Strategy):
    """Remove layers and nothing else; with recovery this is "shrink and fine-tune", the recipe of DistilBART."""

    encoder_layers: int | list[int] | None = Field(None, description="encoder layers to keep: how many, or which")
    decoder_layers: int | list[int] | None = Field(3, description="decoder layers to keep: how many, or which")
    spacing: Literal["even", "distilbart", "loss"] = Field(
        "distilbart",
        description="how they are chosen: evenly spaced, by DistilBART's table (evenly where it has no entry), "
        "or those with the lowest dev loss before training",
    )

    def upfront(self, problem: Problem, bench: Bench) -> PruningPlan:
        kept = {}
        for stack, layers in {"encoder": self.encoder_layers, "decoder": self.decoder_layers}.items():
            if layers is not None:
                kept[f"{stack}.layers"] = self.select_layers(problem, bench, stack, layers)
        return PruningPlan(kept)

    def select_layers(self, problem: Problem, bench: Bench, stack: str, layers: int | Sequence[int]) -> tuple[int, ...]:
        """The numbers of a stack's layers to keep."""
        ids = problem.layers(stack).ids
        if isinstance(layers, int) and self.spacing == "loss":
            return layers_by_loss(problem, bench, stack, layers)
        table = DISTILBART.get(len(ids), {}) if self.spacing == "distilbart" else {}
        if isinstance(layers, int) and layers in table:
            return tuple(ids[position] for position in table[layers])
        return checked_layers(problem, stack, layers)

    def plan(self, problem: Problem, bench: Bench) -> PruningPlan:
        return PruningPlan()


@hookimpl
def prunekit_strategy() -> type[Strategy]:
    return Depth
