"""What comes into the matrices that read a group's units, and which of its places are real tokens."""

from typing import Any

import torch
from torch import Tensor, nn

from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind, PruningGroup


def output_matrix(model: nn.Module, group: PruningGroup) -> tuple[str, Tensor]:
    """The path of the matrix that reads a group's units, and the columns [units, width] that each unit owns.

    Raises `PrunekitError` for units that are no heads or FFN channels, or that more than one matrix reads.
    """
    if group.kind not in (Kind.HEADS, Kind.FFN):
        raise PrunekitError(f"{group.name!r} has no output matrix; only heads and FFN channels have one.")
    columns = [p for p in group.slices if p.dim == 1 and p.parameter.endswith(".weight")]
    linear = [p for p in columns if isinstance(model.get_submodule(p.parameter.removesuffix(".weight")), nn.Linear)]
    if len(linear) != 1:
        raise PrunekitError(
            f"{group.name!r} is the input of {len(linear)} matrices, but only units of one matrix can be scored by it."
        )
    (piece,) = linear
    owned = torch.arange(len(group) * piece.span).view(len(group), piece.span)
    return piece.parameter.removesuffix(".weight"), owned


def real_tokens(x: Tensor, mask: Tensor | None) -> Tensor:
    """The rows [tokens, n] of `x` [batch, tokens, n] that a mask marks; all of them if it is of another shape."""
    if mask is not None and mask.shape == x.shape[:-1]:
        return x[mask.bool()]
    return x.reshape(-1, x.shape[-1])


def masks_of(batch: Any) -> dict[str, Tensor | None]:
    """Which places of a collated batch are real, by stack: [batch, tokens]; None where all are."""
    return {"encoder": batch.get("attention_mask"), "decoder": batch["labels"] != -100}
