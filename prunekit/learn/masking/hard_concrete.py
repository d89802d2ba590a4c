"""The hard-concrete distribution (Louizos et al., 2018): random gates that are often exactly 0 or exactly 1."""

import math

import torch
from torch import Tensor

LOW = -0.1
HIGH = 1.1
"""The stretch interval; values outside [0, 1] are clipped to it."""
TEMPERATURE = 2 / 3
LIMIT = -math.log(0.01)
"""log-alpha is clamped to +-4.605, as in the reference implementations of CoFi and NASH."""
EPSILON = 1e-6


def sample(log_alpha: Tensor, uniform: Tensor) -> Tensor:
    """Gates ``clip(1.2 * sigmoid((logit(u) + log_alpha) / b) - 0.1)`` for uniform noise u of the same shape."""
    noise = uniform.clamp(EPSILON, 1 - EPSILON)
    stretched = torch.sigmoid((torch.logit(noise) + log_alpha) / TEMPERATURE) * (HIGH - LOW) + LOW
    return stretched.clamp(0, 1)


def keep_probability(log_alpha: Tensor) -> Tensor:
    """P(gate > 0) = ``sigmoid(log_alpha - b * log(0.1 / 1.1))``, within [1e-6, 1 - 1e-6]; 0.8318 at log_alpha 0."""
    return torch.sigmoid(log_alpha - TEMPERATURE * math.log(-LOW / HIGH)).clamp(EPSILON, 1 - EPSILON)


def deterministic(log_alpha: Tensor) -> Tensor:
    """The masks of the released code of CoFi and NASH for evaluation: as many zeros as expected, the others soft.

    Of n units the ``round(n - sum(keep_probability))`` with the smallest log-alpha are 0, each other one is
    ``sigmoid(0.8 * log_alpha / b)``: 0.996 at 4.605, but 0.5 at 0.
    """
    zeros = round(len(log_alpha) - float(keep_probability(log_alpha).sum()))
    soft = torch.sigmoid(0.8 * log_alpha / TEMPERATURE)
    soft[log_alpha.argsort(stable=True)[:zeros]] = 0.0
    return soft
