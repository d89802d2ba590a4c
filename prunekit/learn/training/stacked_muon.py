"""Muon whose matrices of one shape are orthogonalised together, in the precision that is faster on the hardware."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Muon

from prunekit.learn.training.budget import clock

COEFFICIENTS = (3.4445, -4.775, 2.0315)
STEPS = 5
EPS = 1e-7
"""The iteration as `torch.optim.Muon` has it by default."""

ITERATED_IN = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""Precisions of the iteration by their names in a recipe."""

GAIN = 0.9
"""bfloat16 is taken if it takes less than this share of the time; else its rounding is for nothing."""

TIMED = 6
"""Iterations that are timed, the first of which does not count."""

STACKED = 2**20
"""Numbers that are iterated at a time, so that a large model needs no second copy of itself."""


class StackedMuon(Muon):
    """`torch.optim.Muon` with fewer and larger products: its options, its state and its steps up to rounding.

    The Newton-Schulz iteration (Jordan et al. 2024) of torch's goes matrix by matrix, in bfloat16, which processors
    without units for it only emulate. Here matrices of one shape, some of them transposed, are iterated as one stack
    [matrices, rows, columns], in `precision`. Example: 8 matrices of 128 x 512 and 8 of 512 x 128 are one stack of 16.
    """

    def __init__(self, weights: Iterable[nn.Parameter], precision: torch.dtype = torch.float32, **options: Any):
        super().__init__(list(weights), **options)
        self.precision = precision

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step of every matrix that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            updates = [self._momentum(weight, group) for weight in weights]
            for same in _stacks(weights):
                self._move([weights[n] for n in same], [updates[n] for n in same], group)
        return loss

    def _momentum(self, weight: Tensor, group: Mapping[str, Any]) -> Tensor:
        """The running mean of a matrix's gradients after this one, or what Nesterov makes of it."""
        gradient = weight.grad
        assert gradient is not None
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        mean: Tensor = state["momentum_buffer"]
        mean.lerp_(gradient, 1 - group["momentum"])
        return gradient.lerp(mean, group["momentum"]) if group["nesterov"] else mean

    def _move(self, weights: Sequence[Tensor], updates: Sequence[Tensor], group: Mapping[str, Any]) -> None:
        """Move weights of one shape, or of that shape transposed, by their orthogonalised updates."""
        stack = torch.stack([_flat(update) for update in updates]).to(self.precision)
        moves = orthogonalised(stack, group["ns_coefficients"], group["ns_steps"], group["eps"])
        for weight, move in zip(weights, moves, strict=True):
            upright = move.to(weight.dtype)
            rate = group["lr"] * _scale(weight, group["adjust_lr_fn"])
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.sub_(upright.T if _is_tall(weight) else upright, alpha=rate)


def orthogonalised(stack: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """Matrices [n, rows, columns], no taller than wide, with all singular values near 1, by Newton-Schulz iteration.

    One iteration replaces X by ``a X + b (X X') X + c (X X')^2 X``.
    """
    first, second, third = coefficients
    x: Tensor = stack / stack.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=second, alpha=third), x, beta=first)
    return x


def iteration_seconds(shape: torch.Size, device: str, precision: torch.dtype) -> float:
    """The median seconds of a few iterations of a stack of matrices of this shape, by the device's clock."""
    rows, columns = sorted(shape)
    count = max(1, min(8, STACKED // (rows * columns)))
    chance = torch.Generator().manual_seed(0)  # a resumed run does not measure again, and must draw the same elsewhere
    stack = torch.randn(count, rows, columns, generator=chance).to(device, precision)
    seconds = []
    for _ in range(TIMED):
        begun = clock(device)
        orthogonalised(stack, COEFFICIENTS, STEPS, EPS)
        seconds.append(clock(device) - begun)
    return statistics.median(seconds[1:])


def faster_precision(matrices: Sequence[Tensor], device: str) -> str:
    """``bf16`` or ``fp32``, by the time of a few iterations of the shape that most weights are in; fp32 without any."""
    weights: dict[torch.Size, int] = defaultdict(int)
    for matrix in matrices:
        weights[matrix.shape] += matrix.numel()
    if not weights:
        return "fp32"
    shape = max(weights, key=lambda shape: weights[shape])
    seconds = {name: iteration_seconds(shape, device, kind) for name, kind in ITERATED_IN.items()}
    return "bf16" if seconds["bf16"] < GAIN * seconds["fp32"] else "fp32"


def _stacks(weights: Sequence[Tensor]) -> Iterator[list[int]]:
    """The numbers of the weights of each shape, by `STACKED` numbers at a time."""
    shapes: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for number, weight in enumerate(weights):
        shapes[(*sorted(weight.shape), weight.dtype, weight.device)].append(number)
    for numbers in shapes.values():
        most = max(1, STACKED // weights[numbers[0]].numel())
        yield from (numbers[start : start + most] for start in range(0, len(numbers), most))


def _is_tall(weight: Tensor) -> bool:
    return weight.shape[0] > weight.shape[1]


def _flat(weight: Tensor) -> Tensor:
    """The matrix, or its transpose if that is wider."""
    return weight.T if _is_tall(weight) else weight


def _scale(weight: Tensor, rule: str | None) -> float:
    """By what the rate of a matrix is multiplied, for its shape; the rules are those of `torch.optim.Muon`."""
    rows, columns = map(float, weight.shape)
    if rule == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns))
