"""Training and evaluation mode of a model: one way to change it and to restore it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluation_mode(model: nn.Module, gradients: bool = False) -> Iterator[None]:
    """Evaluation mode inside the block, so no dropout, and no gradients unless asked for.

    Afterwards every module is in the mode that it was in before.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.train(False)
    try:
        with torch.inference_mode(not gradients):
            yield
    finally:
        for module, training in modes:
            module.training = training
