"""How far a model's own rounding moves its scores, against which an export's differences are held where it is large."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from prunekit.errors import PrunekitError

TOLERANCE = 1e-4
"""How far log-probabilities of a token may differ in float32, as a share of the largest one where that is above 1."""

NOISE = 4
"""How many times its own noise an export of a noisy model may differ, at most and on average.

Measured: engines differ by 0.3 to 1.6 times the largest noise and 0.6 to 2.1 times the mean one; a zeroed row of one
projection moves the mean by 8 times or more where the noise is below `UNPROVABLE`.
"""

UNPROVABLE = 0.02
"""Where a model's own noise is above this share, a wrong slice could hide in it."""


@dataclass(frozen=True)
class Distance:
    """How far scores are apart, at most and on average, as shares of the largest score where that is above 1.

    Example: ``Distance(3.1e-03, 2.0e-05)`` between two computations of a deep model, one of them in float64.
    """

    largest: float
    mean: float

    @classmethod
    def between(cls, pairs: Iterable[tuple[Tensor, Tensor]]) -> "Distance":
        """The worst of pairs of tensors, each of one shape: the expected and the found scores."""
        found = [_share(one, other) for one, other in pairs]
        return cls(max(share[0] for share in found), max(share[1] for share in found))


def _share(expected: Tensor, found: Tensor) -> tuple[float, float]:
    apart = (found - expected).abs() / expected.abs().max().clamp(min=1)
    return float(apart.max()), float(apart.mean())


def exact_copy(model: PreTrainedModel) -> PreTrainedModel:
    """A copy that computes in float64, which needs twice the memory."""
    copied: Any = copy.deepcopy(model)
    exact: PreTrainedModel = copied.double()
    return exact


def noise_tolerance(found: Distance, noise: Callable[[], Distance]) -> float:
    """How far the scores of an export may be apart that do not fit into `TOLERANCE`, because the model itself is noisy.

    That is `NOISE` times the largest `noise` between the model and its float64 copy, if on average too the scores are
    no further apart than that; else `TOLERANCE`. Raises `PrunekitError` where the noise hides what is to be proved.
    """
    own = noise()
    if own.largest > UNPROVABLE:
        raise PrunekitError(
            f"The exported model differs from the pruned one (scores by {found.largest:.1e} of the largest), but so "
            f"does the pruned one's own copy in float64 (by {own.largest:.1e}), so no export can be shown to compute "
            "the same, and nothing was written."
        )
    return max(TOLERANCE, NOISE * own.largest) if found.mean <= NOISE * own.mean else TOLERANCE
