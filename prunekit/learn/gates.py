"""Gates: keep-values that are learned with the model, or held fixed, while it trains."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prunekit.find.size import Size
from prunekit.find.units import PruningGroup, PruningPlan
from prunekit.learn import hard_concrete
from prunekit.learn.masks import plan_values
from prunekit.learn.schedule import SparsitySchedule


@dataclass(frozen=True)
class Constraint:
    """Hold the expected sparsity of one part of the model at a schedule's target.

    `size` gives the expected parameters of the live model, `whole` what the part held originally, so that the sparsity
    is ``1 - size(keep) / whole``. Example: encoder heads and channels of a T5-base, whole 84,934,656, target 0.3.
    """

    name: str
    size: Size
    whole: int
    schedule: SparsitySchedule

    def sparsity(self, keep: dict[str, Tensor]) -> Tensor:
        """The expected sparsity under independent gates with these keep-probabilities."""
        expected: Tensor = self.size(keep)
        return 1 - expected / self.whole


class HardGates(nn.Module):
    """Fixed keep-values of 0 and 1: the model trains as a plan would leave it."""

    def __init__(self, groups: Sequence[PruningGroup], plan: PruningPlan):
        super().__init__()
        self.groups = [group for group in groups if len(plan.of(group)) < len(group)]
        self.kept = plan_values(self.groups, plan)

    def draw(self, step: int) -> dict[str, Tensor]:
        """The keep-values, the same at every step."""
        return self.kept

    def penalty(self, step: int) -> Tensor:
        """Nothing to pay."""
        return torch.zeros(())

    def optimizer_groups(self) -> list[dict[str, Any]]:
        """Nothing to learn."""
        return []

    def figures(self, step: int) -> dict[str, float]:
        """Nothing to log."""
        return {}


class HardConcreteGates(nn.Module):
    """One hard-concrete gate per unit, and a pair of Lagrange multipliers per constraint.

    All log-alphas lie in one vector, group after group. The noise of a step depends on the seed and the step alone, so
    that gradient accumulation, data parallelism and resuming see the same gates. The multipliers ascend while
    everything else descends: ``penalty = l1 * (s - t) + l2 * (s - t)**2`` for expected sparsity s and target t.
    Example: 12 encoder layers of a T5-base have 12 * (12 + 3072) = 37,008 gates.
    """

    def __init__(
        self,
        groups: Sequence[PruningGroup],
        constraints: Sequence[Constraint],
        seed: int,
        initial: float = 4.6,
        learning_rate: float = 0.05,
        multiplier_rate: float = 0.05,
    ):
        super().__init__()
        self.groups, self.constraints, self.seed = list(groups), tuple(constraints), seed
        self.learning_rate, self.multiplier_rate = learning_rate, multiplier_rate
        self.sizes = [len(group) for group in groups]
        self.log_alpha = nn.Parameter(torch.full((sum(self.sizes),), float(initial)))
        self.multipliers = nn.Parameter(torch.zeros(len(self.constraints), 2))

    def _by_group(self, flat: Tensor) -> dict[str, Tensor]:
        return {group.name: part for group, part in zip(self.groups, torch.split(flat, self.sizes), strict=True)}

    def draw(self, step: int) -> dict[str, Tensor]:
        """This step's random keep-values per group, in [0, 1]; also holds log-alpha within its limits."""
        with torch.no_grad():
            self.log_alpha.clamp_(-hard_concrete.LIMIT, hard_concrete.LIMIT)
        noise = torch.rand(len(self.log_alpha), generator=torch.Generator().manual_seed(self.seed * 1_000_003 + step))
        return self._by_group(hard_concrete.sample(self.log_alpha, noise.to(self.log_alpha.device)))

    def keep_probabilities(self) -> dict[str, Tensor]:
        """P(gate > 0) per unit."""
        return self._by_group(hard_concrete.keep_probability(self.log_alpha))

    def scores(self) -> dict[str, Tensor]:
        """The learned log-alphas: the higher, the more worth keeping."""
        return self._by_group(self.log_alpha.detach())

    def penalty(self, step: int) -> Tensor:
        """The Lagrangian of all constraints at this step's targets."""
        keep = self.keep_probabilities()
        total = self.log_alpha.new_zeros(())
        for constraint, (linear, quadratic) in zip(self.constraints, self.multipliers, strict=True):
            gap = constraint.sparsity(keep) - constraint.schedule.at(step)
            total = total + linear * gap + quadratic * gap.square()
        return total

    def optimizer_groups(self) -> list[dict[str, Any]]:
        """AdamW groups: the gates descend, the multipliers ascend; neither follows the weights' schedule."""
        return [
            {"params": [self.log_alpha], "lr": self.learning_rate, "weight_decay": 0.0, "constant": True},
            {
                "params": [self.multipliers],
                "lr": self.multiplier_rate,
                "weight_decay": 0.0,
                "maximize": True,
                "constant": True,
            },
        ]

    @torch.no_grad()
    def figures(self, step: int) -> dict[str, float]:
        """Expected sparsity and target per constraint, for the log."""
        keep = self.keep_probabilities()
        result = {}
        for constraint in self.constraints:
            result[f"{constraint.name}_sparsity"] = float(constraint.sparsity(keep))
            result[f"{constraint.name}_target"] = constraint.schedule.at(step)
        return result


Gates = HardGates | HardConcreteGates
