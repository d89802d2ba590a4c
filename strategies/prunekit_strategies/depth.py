"""Depth alone, the control of every other method: copy some layers of either stack, then fine-tune (recovery)."""

from typing import Literal

from pydantic import Field

from prunekit import PruningPlan, Strategy, checked_layers, hookimpl, layers_by_loss

DISTILBART = {
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
    """Drop layers and nothing else; with recovery this is "shrink and fine-tune", the recipe of DistilBART."""

    encoder_layers: int | list[int] | None = Field(None, description="encoder layers to keep: how many, or which")
    decoder_layers: int | list[int] | None = Field(3, description="decoder layers to keep: how many, or which")
    spacing: Literal["even", "distilbart", "loss"] = Field(
        "distilbart",
        description="how that many are chosen: evenly spaced, by DistilBART's table (even where it has no entry), "
        "or those with the least dev loss before training",
    )

    def upfront(self, problem, bench):
        wanted = {"encoder": self.encoder_layers, "decoder": self.decoder_layers}
        return PruningPlan(
            {
                f"{stack}.layers": self.chosen(problem, bench, stack, layers)
                for stack, layers in wanted.items()
                if layers is not None
            }
        )

    def chosen(self, problem, bench, stack, wanted):
        """The numbers of the layers that stay."""
        ids = problem.layers(stack).ids
        if isinstance(wanted, int) and self.spacing == "loss":
            return layers_by_loss(problem, bench, stack, wanted)
        table = DISTILBART.get(len(ids), {}) if self.spacing == "distilbart" else {}
        if isinstance(wanted, int) and wanted in table:
            return tuple(ids[position] for position in table[wanted])
        return checked_layers(problem, stack, wanted)

    def plan(self, problem, bench):
        return PruningPlan()


@hookimpl
def prunekit_strategy():
    return Depth
