"""Reconstruction: what units that stay can do in the place of those that go, by least squares on a few batches."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from prunekit._support.hooks import HookSet
from prunekit._support.modes import evaluation_mode
from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.learn.training.loss import loss_of

RIDGE = 1e-4
"""Added to the diagonal of the moments, as a share of its mean, so that what never varies can be solved for too."""

ROUNDS = 64
"""In so many steps a group is taken apart; in one, the weakest units go together as if they were independent."""


ANSWERS = frozenset({"labels", "decoder_input_ids", "decoder_attention_mask", "index"})
"""What of a batch an encoder is not given."""


@dataclass
class Moments:
    """Sums over tokens of what one matrix reads: ``x x^T`` [n, n] and ``x`` [n], in float64."""

    products: Tensor
    sums: Tensor
    tokens: int = 0

    def add(self, x: Tensor) -> None:
        """Count tokens in: [tokens, n]."""
        wide = x.double()
        self.products += (wide.T @ wide).to(self.products.device)
        self.sums += wide.sum(dim=0).to(self.sums.device)
        self.tokens += len(x)

    def spread(self, centred: bool) -> Tensor:
        """The second moments [n, n], about the mean where a bias can make up for it, with the ridge."""
        count = max(self.tokens, 1)
        found = self.products / count
        if centred:
            found = found - torch.outer(self.sums, self.sums) / count**2
        return found + RIDGE * found.diagonal().mean().clamp(min=1e-30) * torch.eye(len(found), dtype=found.dtype)


@dataclass
class Reconstruction:
    """How well every unit of some groups can be told from the others, and the model that can be refitted to it.

    `scores` has one value per unit, in the order of the group's ids: the squared error of the sub-layer's output that
    is added if the unit goes after all weaker ones of its group and the rest is refitted. That is the error of the
    optimal brain surgeon (Hassibi and Stork 1993) for units that own columns of a matrix,
    ``tr(W_u [(H^-1)_uu]^-1 W_u^T)``; it compares units of one group, not those of different layers.
    Example: of two equal channels the first to go scores 0.
    """

    model: nn.Module
    groups: Sequence[PruningGroup]
    moments: Mapping[str, Moments]
    scores: dict[str, Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.scores = {group.name: self._scored(group) for group in self.groups}

    def _scored(self, group: PruningGroup) -> Tensor:
        path, units = _reader(self.model, group)
        matrix: Any = self.model.get_submodule(path)
        spread = self.moments[path].spread(matrix.bias is not None)
        return eliminated(spread, matrix.weight.detach().double().cpu(), units)

    @torch.no_grad()
    def refit(self, plan: PruningPlan) -> None:
        """Change the output matrices, in the live model, so that units that `plan` keeps stand in for those that go.

        Columns of units that go are left as they are: the plan takes them.
        """
        for group in self.groups:
            kept = group.positions(plan.of(group))
            if not 0 < len(kept) < len(group):
                continue
            path, units = _reader(self.model, group)
            _refit(self.model.get_submodule(path), self.moments[path], units[kept].flatten())


def _refit(matrix: Any, moments: Moments, kept: Tensor) -> None:
    """The least squares for some columns of a matrix: ``W' = W H[:, k] H[k, k]^-1``, and the bias that goes with it."""
    weight, biased = matrix.weight.detach().double().cpu(), matrix.bias is not None
    spread = moments.spread(biased)
    fitted = torch.linalg.solve(spread[kept][:, kept], spread[kept] @ weight.T).T
    if biased:
        mean = moments.sums / max(moments.tokens, 1)
        matrix.bias.add_((weight @ mean - fitted @ mean[kept]).to(matrix.bias))
    matrix.weight[:, kept.to(matrix.weight.device)] = fitted.to(matrix.weight)


def eliminated(spread: Tensor, weight: Tensor, units: Tensor) -> Tensor:
    """The error that each unit adds when units go one after the other, the least missed first, and the rest makes up.

    `spread` [n, n] are the moments of what `weight` [d, n] reads, `units` [u, s] the columns of each unit. Returns [u]
    float64, more for a unit that goes later, so that sorting gives the order.
    """
    inverse, weight = torch.linalg.inv(spread), weight.clone()
    found, last = torch.zeros(len(units), dtype=spread.dtype), 0.0
    alive, places = torch.arange(len(units)), units.clone()
    at_once = max(1, len(units) // ROUNDS)
    while len(alive):
        blocks = torch.linalg.inv(inverse[places[:, :, None], places[:, None, :]])  # [u, s, s]
        columns = weight[:, places].permute(1, 0, 2)  # [u, d, s]
        errors = torch.einsum("uds,ust,udt->u", columns, blocks, columns)
        weakest = errors.argsort(stable=True)[:at_once]
        found[alive[weakest]] = errors[weakest].clamp(min=math.nextafter(last, math.inf))
        last = float(found[alive[weakest]].max())
        inverse, weight, places, left = _without(inverse, weight, places, weakest)
        alive = alive[left]
    return found


def _without(inverse: Tensor, weight: Tensor, places: Tensor, gone: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Moments' inverse, weight and places of the units that are left when some go; and which those are."""
    left = torch.ones(len(places), dtype=torch.bool)
    left[gone] = False
    out, stay = places[gone].flatten(), places[left].flatten()
    step = torch.linalg.solve(inverse[out][:, out], inverse[out][:, stay])  # [g, k]
    smaller = inverse[stay][:, stay] - inverse[stay][:, out] @ step
    return (
        (smaller + smaller.T) / 2,
        weight[:, stay] - weight[:, out] @ step,
        torch.arange(len(stay)).view(-1, places.shape[1]),
        left,
    )


def reconstruction(
    model: nn.Module, groups: Sequence[PruningGroup], batches: Iterable[Mapping[str, Any]]
) -> Reconstruction:
    """Run `model`, without changing it, on some batches, and find how its heads and FFN channels depend on each other.

    Tokens that are padding do not count. Raises `PrunekitError` for units of other kinds.
    """
    readers = {_reader(model, group)[0]: group.stack for group in groups}
    encoder_alone = set(readers.values()) == {"encoder"}
    moments: dict[str, Moments] = {}
    whole: Any = model
    with evaluation_mode(model, gradients=True), torch.no_grad(), _watching(model, readers, moments) as real:
        for batch in batches:
            real.update(encoder=batch.get("attention_mask"), decoder=batch["labels"] != -100)
            if encoder_alone:
                whole.get_encoder()(**{key: value for key, value in batch.items() if key not in ANSWERS})
            else:
                loss_of(model, batch)
    return Reconstruction(model, groups, moments)


@contextmanager
def _watching(
    model: nn.Module, readers: Mapping[str, str], moments: dict[str, Moments]
) -> Iterator[dict[str, Tensor | None]]:
    """Let the model record what some matrices read, of the tokens that the yielded mask of their stack marks."""
    real: dict[str, Tensor | None] = {}

    def tokens(stack: str, x: Tensor) -> Tensor:
        mask = real.get(stack)
        fits = mask is not None and mask.shape == x.shape[:-1]
        return x[mask.bool()] if fits and mask is not None else x.reshape(-1, x.shape[-1])

    def read(path: str, stack: str) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            width = args[0].shape[-1]
            if path not in moments:
                moments[path] = Moments(torch.zeros(width, width).double(), torch.zeros(width).double())
            moments[path].add(tokens(stack, args[0]))

        return hook

    with HookSet() as hooks:
        for path, stack in readers.items():
            hooks.before(model.get_submodule(path), read(path, stack))
        yield real


def _reader(model: nn.Module, group: PruningGroup) -> tuple[str, Tensor]:
    """The path of the matrix that reads a group's units, and the columns [units, width] that are each one's."""
    if group.kind not in (Kind.HEADS, Kind.FFN):
        raise PrunekitError(f"{group.name!r} cannot be reconstructed; only heads and FFN channels can.")
    own = [p for p in group.slices if p.dim == 1 and p.parameter.endswith(".weight")]
    linear = [p for p in own if isinstance(model.get_submodule(p.parameter.removesuffix(".weight")), nn.Linear)]
    if len(linear) != 1:
        raise PrunekitError(f"{group.name!r} is read by {len(linear)} matrices, and can be reconstructed in one only.")
    (piece,) = linear
    columns = torch.arange(len(group) * piece.span).view(len(group), piece.span)
    return piece.parameter.removesuffix(".weight"), columns
