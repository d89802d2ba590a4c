"""Importance of units by their weights: by magnitude, or by the gradient of the loss."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from prunekit._support.modes import evaluation_mode
from prunekit.find.groups import PruningGroup
from prunekit.learn.masking.masks import Masks

Criterion = Literal["magnitude", "first_order", "activation", "influence"]


@torch.no_grad()
def magnitude(
    model: nn.Module, groups: Sequence[PruningGroup], all_groups: Sequence[PruningGroup] = ()
) -> dict[str, Tensor]:
    """The L2 norm over everything a unit owns: rows of q, k, v with a column block of o; rows of wi with columns of wo.

    `all_groups` are all groups of the model: what the units within a unit own counts too, as the encoder's hidden
    dimensions within those of the whole model. Returns one float per unit, in the order of the group's ids.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    scores = {}
    for group in groups:
        squares = torch.zeros(len(group), dtype=torch.float32)
        for part in (group, *(inner for inner in all_groups if inner.within == group.name)):
            positions = group.positions(part.ids)
            for piece in part.slices:
                weight = parameters[piece.parameter].detach().float().square()
                others = [dim for dim in range(weight.dim()) if dim != piece.dim]
                per_index = weight.sum(dim=others) if others else weight
                squares[positions] += per_index.cpu().view(piece.blocks, len(part), piece.span).sum(dim=(0, 2))
        scores[group.name] = squares.sqrt()
    return scores


def first_order(
    model: nn.Module,
    groups: Sequence[PruningGroup],
    batches: Iterable[Mapping[str, Any]],
    loss: Callable[[nn.Module, Mapping[str, Any]], Tensor],
    all_groups: Sequence[PruningGroup] = (),
) -> dict[str, Tensor]:
    """The mean over batches of |dL/dz| at z = 1, where z multiplies the unit's output (first term of Taylor's series).

    `all_groups` are all groups of the model; they are needed to score hidden dimensions. Returns one float per unit, in
    the order of the group's ids. Weights, their gradients and the training mode do not change.
    """
    device = next(model.parameters()).device
    gates = {group.name: torch.ones(len(group), device=device, requires_grad=True) for group in groups}
    totals = {name: torch.zeros(len(gate)) for name, gate in gates.items()}
    count = 0
    with evaluation_mode(model, gradients=True), Masks(model, all_groups or groups) as masks:
        masks.values.update(gates)
        for batch in batches:
            gradients = torch.autograd.grad(loss(model, batch), list(gates.values()))
            for name, gradient in zip(gates, gradients, strict=True):
                totals[name] += gradient.abs().cpu()
            count += 1
    return {name: total / max(count, 1) for name, total in totals.items()}
