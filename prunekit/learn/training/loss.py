"""The loss of a model given its labels, and its mean over many batches."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from prunekit._support.modes import evaluation_mode


def loss_of(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
    """The mean cross-entropy per target token of one collated batch, in nats."""
    loss: Tensor = model(**{key: value for key, value in batch.items() if key != "index"}, use_cache=False).loss
    return loss


def mean_loss(model: nn.Module, batches: Iterable[Mapping[str, Any]]) -> float:
    """The mean cross-entropy per target token over all batches, teacher-forced and without dropout, in nats."""
    total = 0.0
    tokens = 0
    with evaluation_mode(model):
        for batch in batches:
            real = int((batch["labels"] != -100).sum())
            total += float(loss_of(model, batch)) * real
            tokens += real
    return total / max(tokens, 1)
