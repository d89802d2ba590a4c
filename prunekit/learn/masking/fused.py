"""Products with keep-values, and norms over what is kept, whose passes go through memory once.

Beside the matrices of a training step such passes are short of memory, not of arithmetic: autograd would write every
intermediate of the size of the activations, and read it again. On a CPU these functions work in slices of rows that
stay in the core's cache, and keep nothing but their inputs for the backward pass.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

SLICE = 256 * 1024
"""Bytes of a slice for each thread: a few of them fit in a core's second-level cache."""


def masked_product(x: Tensor, value: Tensor) -> Tensor:
    """``x * value`` for `x` of shape [..., units] and keep-values of shape [units], in the dtype of `x`."""
    product: Any = _Multiplied
    value = value.to(x.dtype)
    result: Tensor = product.apply(x, value) if value.requires_grad else x * value
    return result


def masked_norm(x: Tensor, share: Tensor, weight: Tensor, bias: Tensor | None, eps: float, centred: bool) -> Tensor:
    """A norm over the last dimension of `x`, shape [..., units], that weighs the units by `share`, which sums to 1.

    ``c * weight / sqrt(sum(share * c^2) + eps) + bias``, where `c` is `x`, or `x` without its weighted mean if it is
    `centred`. With equal shares these are RMSNorm (Zhang and Sennrich 2019) and LayerNorm (Ba et al. 2016). All tensors
    have one dtype.
    """
    norm: Any = _Normed
    with torch.autocast(x.device.type, enabled=False):
        result: Tensor = norm.apply(x, share, weight, bias, eps, centred)
    return result


def _slices(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same rows of several tensors of one shape [..., units], as matrices that fit in the cache.

    Of contiguous tensors they are views, which may be written to.
    """
    flat = [tensor.reshape(-1, tensor.shape[-1]) for tensor in tensors]
    rows = len(flat[0])
    if flat[0].device.type == "cpu":
        rows = SLICE * torch.get_num_threads() // max(flat[0].shape[-1] * flat[0].element_size(), 1)
    return zip(*(torch.split(tensor, max(rows, 1)) for tensor in flat), strict=True)


class _Multiplied(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor) -> Tensor:
        ctx.save_for_backward(x, value)
        return x * value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, value = ctx.saved_tensors
        of_x = torch.empty_like(x, memory_format=torch.contiguous_format)
        of_value = value.new_zeros(value.shape, dtype=torch.promote_types(value.dtype, torch.float32))
        for part, slope, place in _slices(x, grad, of_x):
            of_value += torch.mul(part, slope).sum(dim=0, dtype=of_value.dtype)
            torch.mul(slope, value, out=place)
        return of_x, of_value.to(value.dtype)


class _Normed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, share: Tensor, weight: Tensor, bias: Tensor | None, eps: float, centred: bool
    ) -> Tensor:
        ctx.save_for_backward(x, share, weight)
        ctx.eps, ctx.centred, ctx.biased = eps, centred, bias is not None
        result = torch.empty_like(x, memory_format=torch.contiguous_format)
        for part, place in _slices(x, result):
            kept, root = _whitened(part, share, eps, centred)
            torch.mul(kept, root, out=place).mul_(weight)
            if bias is not None:
                place.add_(bias)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, share, weight = ctx.saved_tensors
        of_x = torch.empty_like(x, memory_format=torch.contiguous_format)
        of_share, of_weight, of_bias = (torch.zeros_like(share) for _ in range(3))
        for part, slope, place in _slices(x, grad, of_x):
            kept, root = _whitened(part, share, ctx.eps, ctx.centred)
            product = slope * kept
            of_weight += root.flatten() @ product
            pull = root**3 * (product @ weight)[:, None]
            of_share -= pull.flatten() @ kept.square() / 2
            torch.mul(slope, weight, out=place).mul_(root)
            place -= kept * share * pull
            if ctx.centred:
                lift = place.sum(dim=-1, keepdim=True)
                of_share -= lift.flatten() @ part
                place -= lift * share
            if ctx.biased:
                of_bias += slope.sum(dim=0)
        return of_x, of_share, of_weight, of_bias if ctx.biased else None, None, None


def _whitened(part: Tensor, share: Tensor, eps: float, centred: bool) -> tuple[Tensor, Tensor]:
    """Rows [rows, units] without their weighted mean if they are `centred`, and what they are multiplied by, [rows, 1].

    The second is one over the root of their weighted mean square.
    """
    kept = part - (part @ share)[:, None] if centred else part
    return kept, torch.rsqrt((kept.square() @ share)[:, None] + eps)
