"""Tied parameters: which of a model's may share one tensor."""

import torch
from torch import nn


def untie_like(stock: nn.Module, live: nn.Module) -> None:
    """Give every parameter of `stock` that is tied there and not in `live` a tensor of its own, without values."""
    own = dict(live.named_parameters(remove_duplicate=False))
    first: dict[int, str] = {}
    for name, parameter in list(stock.named_parameters(remove_duplicate=False)):
        other = first.setdefault(id(parameter), name)
        if other != name and own[name] is not own[other]:
            path, _, leaf = name.rpartition(".")
            setattr(stock.get_submodule(path), leaf, nn.Parameter(torch.empty_like(parameter)))
