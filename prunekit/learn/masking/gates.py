"""Gates: keep-values that are learned with the model, or held fixed, while it trains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.find.size import Size
from prunekit.learn.masking import hard_concrete
from prunekit.learn.masking.masks import plan_values
from prunekit.learn.masking.schedule import SparsitySchedule


@dataclass(frozen=True)
class Constraint:
    """Hold the expected sparsity of one part of the model at a schedule's target.

    `size` gives the expected parameters of the live model, `whole` the original number of the part's parameters, so
    the sparsity is ``1 - size(keep) / whole``. Example: encoder heads and channels of a T5-base, whole 84,934,656,
    target 0.3.
    """

    name: str
    size: Size
    whole: int
    schedule: SparsitySchedule

    @property
    def max_parameters(self) -> float:
        """The most parameters that may be kept at the end of the schedule."""
        return (1 - self.schedule.target) * self.whole

    def sparsity(self, keep: dict[str, Tensor]) -> Tensor:
        """The expected sparsity under independent gates with these keep-probabilities."""
        expected: Tensor = self.size(keep)
        return 1 - expected / self.whole


class HardGates(nn.Module):
    """Fixed keep-values of 0 and 1: the model trains as if it were cut by a plan."""

    def __init__(self, groups: Sequence[PruningGroup], plan: PruningPlan):
        super().__init__()
        self.groups = [group for group in groups if len(plan.of(group)) < len(group)]
        self.kept = plan_values(self.groups, plan)

    def draw(self, step: int) -> dict[str, Tensor]:
        """The keep-values, the same at every step."""
        return self.kept

    def penalty(self, step: int) -> Tensor:
        """No penalty."""
        return torch.zeros(())

    def optimizer_groups(self) -> list[dict[str, Any]]:
        """No parameters."""
        return []

    def figures(self, step: int) -> dict[str, float]:
        """No figures."""
        return {}


class HardConcreteGates(nn.Module):
    """One hard-concrete gate per unit, and a pair of Lagrange multipliers per constraint.

    Each group in `sublayers` has one gate more, which multiplies those of all its units, so that a whole attention or
    feed-forward block can be removed at once (CoFi): a unit is kept only if both gates are open. `initial` is log-alpha
    at the start, one for all or one per kind of unit.

    All log-alphas are in one vector, group after group, those of the sub-layers last. The noise of a step depends on
    the seed and the step alone, so that gradient accumulation, data parallelism and resuming see the same gates. The
    multipliers ascend while everything else descends: ``penalty = l1 * (s - t) + l2 * (s - t)**2`` for expected
    sparsity s and target t. Example: 12 encoder layers of a T5-base have 12 * (12 + 3072) = 37,008 gates, and 24 more
    for their sub-layers.
    """

    def __init__(
        self,
        groups: Sequence[PruningGroup],
        constraints: Sequence[Constraint],
        seed: int,
        initial: float | Mapping[Kind, float] = 4.6,
        learning_rate: float = 0.05,
        multiplier_rate: float = 0.05,
        sublayers: Sequence[PruningGroup] = (),
    ):
        super().__init__()
        self.groups = list(groups)
        self.constraints = tuple(constraints)
        self.seed = seed
        self.learning_rate = learning_rate
        self.multiplier_rate = multiplier_rate
        self.sublayers = [group.name for group in sublayers]
        self.sizes = [len(group) for group in groups]
        starts = [initial if isinstance(initial, int | float) else initial[g.kind] for g in (*groups, *sublayers)]
        counts = [*self.sizes, *(1 for _ in sublayers)]
        parts = [torch.full((count,), float(start)) for count, start in zip(counts, starts, strict=True)]
        self.log_alpha = nn.Parameter(torch.cat(parts))
        self.multipliers = nn.Parameter(torch.zeros(len(self.constraints), 2))

    def _units(self, flat: Tensor) -> dict[str, Tensor]:
        """The part of `flat` that belongs to units, by group."""
        units = torch.split(flat[: sum(self.sizes)], self.sizes)
        return {group.name: part for group, part in zip(self.groups, units, strict=True)}

    def _joint(self, flat: Tensor) -> dict[str, Tensor]:
        """Values of the units by group, each times the value of its sub-layer."""
        joint = self._units(flat)
        for name, value in zip(self.sublayers, flat[sum(self.sizes) :], strict=True):
            joint[name] = joint[name] * value
        return joint

    def draw(self, step: int) -> dict[str, Tensor]:
        """This step's random keep-values per group, in [0, 1]; also clamps log-alpha to its limits."""
        with torch.no_grad():
            self.log_alpha.clamp_(-hard_concrete.LIMIT, hard_concrete.LIMIT)
        noise = torch.rand(len(self.log_alpha), generator=torch.Generator().manual_seed(self.seed * 1_000_003 + step))
        return self._joint(hard_concrete.sample(self.log_alpha, noise.to(self.log_alpha.device)))

    def keep_probabilities(self) -> dict[str, Tensor]:
        """P(gate > 0) per unit; in a gated sub-layer, the probability that both gates are open."""
        return self._joint(hard_concrete.keep_probability(self.log_alpha))

    def scores(self) -> dict[str, Tensor]:
        """The learned log-alphas of the units: the higher, the more worth keeping."""
        return self._units(self.log_alpha.detach().cpu())

    def sublayer_probabilities(self) -> dict[str, float]:
        """P(gate > 0) of each gated sub-layer alone."""
        own = hard_concrete.keep_probability(self.log_alpha.detach())[sum(self.sizes) :]
        return dict(zip(self.sublayers, own.tolist(), strict=True))

    def deterministic(self) -> dict[str, Tensor]:
        """Masks per group as in the released code (`hard_concrete.deterministic`); a sub-layer is a group of one."""
        alphas = self.log_alpha.detach().cpu()
        masks = {name: hard_concrete.deterministic(part) for name, part in self._units(alphas).items()}
        for name, alpha in zip(self.sublayers, alphas[sum(self.sizes) :], strict=True):
            masks[name] = masks[name] * hard_concrete.deterministic(alpha.view(1))
        return masks

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
