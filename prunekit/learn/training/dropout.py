"""Dropout at another rate during a training: a pruned model that trains briefly rarely needs any."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

RATES = ("p", "dropout", "activation_dropout", "attention_dropout")
"""The attributes that hold a rate: ``p`` of `nn.Dropout`, the other names in layers of transformers."""


@contextmanager
def dropout_at(model: nn.Module, rate: float | None) -> Iterator[None]:
    """Set every dropout rate of `model` to `rate` inside the block; None changes nothing."""
    changed: list[tuple[Any, str, float]] = []
    for module in model.modules() if rate is not None else ():
        for name in RATES:
            old = vars(module).get(name)
            if isinstance(old, float | int) and not isinstance(old, bool) and (name != "p" or _is_dropout(module)):
                changed.append((module, name, old))
                setattr(module, name, rate)
    try:
        yield
    finally:
        for module, name, old in changed:
            setattr(module, name, old)


def _is_dropout(module: nn.Module) -> bool:
    return isinstance(module, nn.Dropout)
