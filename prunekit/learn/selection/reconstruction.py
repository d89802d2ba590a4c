"""Reconstruction: refits kept units by least squares on a few batches, so that they replace the removed ones."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from prunekit._support.hooks import HookSet
from prunekit._support.modes import evaluation_mode
from prunekit.find.groups import PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.learn.selection.matrix_inputs import masks_of, output_matrix, real_tokens
from prunekit.learn.training.loss import loss_of

RIDGE = 1e-4
"""Added to the diagonal of the moments, as a share of its mean, so that constant inputs can be solved for too."""

ROUNDS = 64
"""The rounds in which a group's units are eliminated; those of one round are treated as if they were independent."""

DECODER_INPUTS = frozenset({"labels", "decoder_input_ids", "decoder_attention_mask", "index"})
"""The parts of a batch that an encoder does not take."""


@dataclass
class Moments:
    """Sums over tokens of the inputs x of one matrix: ``x x^T`` [n, n] and ``x`` [n], in float64."""

    products: Tensor
    sums: Tensor
    tokens: int = 0

    @classmethod
    def zeros(cls, width: int) -> "Moments":
        """The moments of no tokens, for inputs of this width."""
        return cls(torch.zeros(width, width, dtype=torch.float64), torch.zeros(width, dtype=torch.float64))

    def add(self, x: Tensor) -> None:
        """Add the inputs of some tokens: [tokens, n]."""
        wide = x.double()
        self.products += (wide.T @ wide).to(self.products.device)
        self.sums += wide.sum(dim=0).to(self.sums.device)
        self.tokens += len(x)

    def second_moments(self, centred: bool) -> Tensor:
        """The second moments [n, n] with the ridge; about the mean if `centred`, where a bias can replace the mean."""
        count = max(self.tokens, 1)
        moments = self.products / count
        if centred:
            moments = moments - torch.outer(self.sums, self.sums) / count**2
        ridge = RIDGE * moments.diagonal().mean().clamp(min=1e-30)
        return moments + ridge * torch.eye(len(moments), dtype=moments.dtype)


@dataclass
class Reconstruction:
    """How well each unit can be predicted from the others of its group, and the model whose weights `refit` changes.

    `scores` has one value per unit, in the order of the group's ids: the squared error of the sub-layer's output that
    removing the unit adds, after all weaker ones of its group and with the rest refitted. That is the error of the
    optimal brain surgeon (Hassibi and Stork 1993) for units that own columns of a matrix,
    ``tr(W_u [(H^-1)_uu]^-1 W_u^T)``; it compares units of one group, not those of different layers.
    Example: of two equal channels, the first to be removed scores 0.
    """

    model: nn.Module
    groups: Sequence[PruningGroup]
    moments: Mapping[str, Moments]
    scores: dict[str, Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.scores = {group.name: self._score(group) for group in self.groups}

    def _score(self, group: PruningGroup) -> Tensor:
        path, columns = output_matrix(self.model, group)
        matrix: Any = self.model.get_submodule(path)
        moments = self.moments[path].second_moments(matrix.bias is not None)
        return elimination_errors(moments, matrix.weight.detach().double().cpu(), columns)

    @torch.no_grad()
    def refit(self, plan: PruningPlan) -> None:
        """Change the output matrices of the live model so that the units that `plan` keeps replace the removed ones.

        Columns of removed units do not change: the plan removes them.
        """
        for group in self.groups:
            kept = group.positions(plan.of(group))
            if not 0 < len(kept) < len(group):
                continue
            path, columns = output_matrix(self.model, group)
            _refit(self.model.get_submodule(path), self.moments[path], columns[kept].flatten())


def _refit(matrix: Any, moments: Moments, kept: Tensor) -> None:
    """Least squares for the columns `kept` of a matrix: ``W' = W H[:, k] H[k, k]^-1``, with the bias to match."""
    weight = matrix.weight.detach().double().cpu()
    biased = matrix.bias is not None
    hessian = moments.second_moments(biased)
    fitted = torch.linalg.solve(hessian[kept][:, kept], hessian[kept] @ weight.T).T
    if biased:
        mean = moments.sums / max(moments.tokens, 1)
        matrix.bias.add_((weight @ mean - fitted @ mean[kept]).to(matrix.bias))
    matrix.weight[:, kept.to(matrix.weight.device)] = fitted.to(matrix.weight)


def elimination_errors(hessian: Tensor, weight: Tensor, units: Tensor) -> Tensor:
    """The error that each unit adds when units are removed one by one, the least first, and the rest is refitted.

    `hessian` [n, n] holds the second moments of the inputs of `weight` [d, n], `units` [u, s] the columns of each unit.
    Returns [u] float64, larger for a unit that is removed later, so that sorting gives the order of removal.
    """
    inverse = torch.linalg.inv(hessian)
    weight = weight.clone()
    columns = units.clone()
    errors = torch.zeros(len(units), dtype=hessian.dtype)
    last = 0.0
    alive = torch.arange(len(units))
    per_round = max(1, len(units) // ROUNDS)
    while len(alive):
        added = _added_errors(inverse, weight, columns)
        weakest = added.argsort(stable=True)[:per_round]
        errors[alive[weakest]] = added[weakest].clamp(min=math.nextafter(last, math.inf))
        last = float(errors[alive[weakest]].max())
        kept = torch.ones(len(columns), dtype=torch.bool)
        kept[weakest] = False
        inverse, weight = _eliminate(inverse, weight, columns[weakest].flatten(), columns[kept].flatten())
        columns = torch.arange(inverse.shape[0]).view(-1, columns.shape[1])
        alive = alive[kept]
    return errors


def _added_errors(inverse: Tensor, weight: Tensor, columns: Tensor) -> Tensor:
    """``tr(W_u [(H^-1)_uu]^-1 W_u^T)`` for each unit u: [u]."""
    blocks = torch.linalg.inv(inverse[columns[:, :, None], columns[:, None, :]])  # [u, s, s]
    weights = weight[:, columns].permute(1, 0, 2)  # [u, d, s]
    return torch.einsum("uds,ust,udt->u", weights, blocks, weights)


def _eliminate(inverse: Tensor, weight: Tensor, removed: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """The inverse of the moments and the refitted weight, for the columns `kept` alone, once others are removed."""
    step = torch.linalg.solve(inverse[removed][:, removed], inverse[removed][:, kept])  # [r, k]
    smaller = inverse[kept][:, kept] - inverse[kept][:, removed] @ step
    return (smaller + smaller.T) / 2, weight[:, kept] - weight[:, removed] @ step


def reconstruction(
    model: nn.Module, groups: Sequence[PruningGroup], batches: Iterable[Mapping[str, Any]]
) -> Reconstruction:
    """Run `model` on some batches, without changing it, and find how its heads and FFN channels depend on each other.

    Padding does not count. Only the encoder runs if all groups are the encoder's. Raises `PrunekitError` for units of
    other kinds.
    """
    matrices = {output_matrix(model, group)[0]: group.stack for group in groups}
    encoder_only = set(matrices.values()) == {"encoder"}
    moments: dict[str, Moments] = {}
    whole: Any = model
    with evaluation_mode(model, gradients=True), torch.no_grad(), _recording(model, matrices, moments) as real:
        for batch in batches:
            real.update(masks_of(batch))
            if encoder_only:
                whole.get_encoder()(**{key: value for key, value in batch.items() if key not in DECODER_INPUTS})
            else:
                loss_of(model, batch)
    return Reconstruction(model, groups, moments)


@contextmanager
def _recording(
    model: nn.Module, matrices: Mapping[str, str], moments: dict[str, Moments]
) -> Iterator[dict[str, Tensor | None]]:
    """Inside the block, the inputs of some matrices are added to `moments`, by path.

    Yields masks by stack, to be set before each batch: only tokens that their stack's mask marks are added.
    """
    real: dict[str, Tensor | None] = {}

    def record(path: str, stack: str) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            if path not in moments:
                moments[path] = Moments.zeros(args[0].shape[-1])
            moments[path].add(real_tokens(args[0], real.get(stack)))

        return hook

    with HookSet() as hooks:
        for path, stack in matrices.items():
            hooks.before(model.get_submodule(path), record(path, stack))
        yield real
