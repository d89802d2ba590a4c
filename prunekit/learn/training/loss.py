"""The loss of a model that answers from labels, and its mean over many batches."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def loss_of(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
    """The mean cross-entropy per target token of one collated batch, in nats."""
    loss: Tensor = model(**{key: value for key, value in batch.items() if key != "index"}, use_cache=False).loss
    return loss


def mean_loss(model: nn.Module, batches: Iterable[Mapping[str, Any]]) -> float:
    """The mean cross-entropy per target token over all batches, teacher-forced and without dropout, in nats."""
    training, total, tokens = model.training, 0.0, 0
    model.train(False)
    with torch.inference_mode():
        for batch in batches:
            real = int((batch["labels"] != -100).sum())
            total, tokens = total + float(loss_of(model, batch)) * real, tokens + real
    model.train(training)
    return total / max(tokens, 1)
