"""Folding: keep-values between 0 and 1, multiplied into the weights once and permanently."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind, PruningGroup


@torch.no_grad()
def fold(model: nn.Module, groups: Sequence[PruningGroup], values: Mapping[str, Tensor]) -> None:
    """Multiply the outputs of heads and FFN channels by `values`, one per unit, in the output projection's weights.

    The model then computes without masks what it computed with them, up to rounding. Example: the value 0.5 of head 2
    of size 64 halves the columns 128 to 191 of its attention's output matrix. Raises `PrunekitError` for other kinds.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for group in groups:
        if group.name not in values:
            continue
        if group.kind not in (Kind.HEADS, Kind.FFN):
            raise PrunekitError(f"Masks of {group.name!r} cannot be folded; only those of heads and FFN channels can.")
        for piece in group.slices:
            if piece.dim == 1 and piece.parameter.endswith(".weight"):
                weight = parameters[piece.parameter]
                weight.mul_(values[group.name].to(weight).repeat_interleave(piece.span))
