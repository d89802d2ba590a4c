"""The loss terms of distillation: KL divergence of predictions and squared error of hidden states, without padding."""

import torch
from torch import Tensor
from torch.nn import functional as F


def soften(logits: Tensor, temperature: float) -> Tensor:
    """Log-probabilities at a temperature, in float32: [batch, tokens, vocabulary]."""
    return F.log_softmax(logits.float() / temperature, dim=-1)


def divergence(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """KL(teacher || student) between log-probabilities, the mean over the tokens whose label is not -100."""
    per_token = F.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=-1)
    real = labels != -100
    return (per_token * real).sum() / real.sum().clamp(min=1)


def squared_error(student: Tensor, teacher: Tensor, real: Tensor) -> Tensor:
    """The mean squared error of states [batch, tokens, d] over real tokens; `real` [batch, tokens] is 0 for padding."""
    weights = real.unsqueeze(-1).float()
    squares = (student.float() - teacher.float()).square() * weights
    return squares.sum() / (weights.sum() * student.shape[-1]).clamp(min=1)


def cover_states(real: Tensor | None, states: Tensor) -> Tensor:
    """Which positions of states [batch, tokens, d] are real, for a mask that may be finer than the states.

    None means that all are. Example: of 3,000 audio frames that convolutions join to 1,500 states, every second mask
    value is taken.
    """
    tokens = states.shape[1]
    if real is None:
        return torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
    return real if real.shape[1] == tokens else real[:, torch.arange(tokens) * real.shape[1] // tokens]
