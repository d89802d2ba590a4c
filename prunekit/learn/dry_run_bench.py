"""A bench that computes nothing: what a strategy asks of it tells how much it removes and how long it trains."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from prunekit.find.groups import PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.learn.bench import Bench
from prunekit.learn.training.distillation import LABELS_ONLY, Distillation
from prunekit.learn.training.phase import TrainingPhase

if TYPE_CHECKING:
    from prunekit.learn.masking.gates import Gates
    from prunekit.learn.selection.importance import Criterion
    from prunekit.learn.selection.reconstruction import Reconstruction


@dataclass
class DrawnScores:
    """What stands in for a `Reconstruction`: random scores, and a refit that changes nothing."""

    groups: Sequence[PruningGroup]
    scores: dict[str, Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.scores = _drawn(self.groups)

    def refit(self, plan: PruningPlan) -> None:
        """Change nothing."""


class DryRunBench(Bench):
    """Answers a strategy with random scores and equal losses, and notes the `phases` that it would train.

    Plans that come of it have the size that the strategy aims at; which units they keep means nothing. Example: nash
    with 3 decoder layers keeps three of them, any three, and with gates there is one phase of 1,500 steps. It has no
    model: a strategy that reaches for one cannot be asked in this way (`AttributeError`).
    """

    def __init__(self, groups: Sequence[PruningGroup]):
        self.groups = tuple(groups)
        self.phases: list[TrainingPhase] = []

    def scores(
        self, groups: Sequence[PruningGroup], by: "Criterion" = "magnitude", batches: int = 16
    ) -> dict[str, Tensor]:
        """A random number per unit, by group."""
        return _drawn(groups)

    def reconstruction(self, groups: Sequence[PruningGroup], batches: int = 16) -> "Reconstruction":
        """Random scores, and a refit that changes nothing."""
        drawn: Any = DrawnScores(groups)
        made: Reconstruction = drawn
        return made

    def losses(self, plans: Iterable[PruningPlan]) -> list[float]:
        """1.0 for every plan."""
        return [1.0 for _ in plans]

    def fold(self, values: Mapping[str, Tensor]) -> None:
        """Change nothing."""

    def train(
        self,
        distillation: Distillation = LABELS_ONLY,
        gates: "Gates | None" = None,
        steps: int = 0,
        learning_rate: float | None = None,
        frozen_stacks: Sequence[str] = (),
    ) -> None:
        """Note the phase; gates end anywhere near where they began, so that units differ."""
        if steps:
            self.phases.append(TrainingPhase(distillation, gates, steps, learning_rate, frozen_stacks))
        if isinstance(gates, nn.Module):
            _disturb(gates)

    def evaluate(self) -> float:
        """0.0"""
        return 0.0


def _drawn(groups: Sequence[PruningGroup]) -> dict[str, Tensor]:
    """A number from 0 to 1 per unit, the same at every call."""
    chance = torch.Generator().manual_seed(0)
    return {group.name: torch.rand(len(group), generator=chance) for group in groups}


@torch.no_grad()
def _disturb(gates: nn.Module) -> None:
    chance = torch.Generator().manual_seed(0)
    for parameter in gates.parameters():
        parameter.add_(0.01 * torch.rand(parameter.shape, generator=chance))
