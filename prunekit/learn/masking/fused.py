"""Products with keep-values, and norms over kept units, that pass over the activations only once.

Beside the matrices of a training step such passes are limited by memory bandwidth, not by arithmetic: autograd would
write every intermediate of the size of the activations, and read it again. On a CPU these functions work in slices of
rows that fit in the core's cache, and keep only their inputs for the backward pass.
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
    product: Any = _Product
    value = value.to(x.dtype)
    result: Tensor = product.apply(x, value) if value.requires_grad else x * value
    return result


def masked_norm(x: Tensor, share: Tensor, weight: Tensor, bias: Tensor | None, eps: float, centred: bool) -> Tensor:
    """A norm over the last dimension of `x`, shape [..., units], that weighs the units by `share`, which sums to 1.

    ``c * weight / sqrt(sum(share * c^2) + eps) + bias``, where `c` is `x`, minus its weighted mean if `centred`. With
    equal shares these are RMSNorm (Zhang and Sennrich 2019) and LayerNorm (Ba et al. 2016). All tensors have one dtype.
    """
    norm: Any = _Norm
    with torch.autocast(x.device.type, enabled=False):
        result: Tensor = norm.apply(x, share, weight, bias, eps, centred)
    return result


def _slices(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same rows of several tensors of one shape [..., units], as matrices that fit in the cache.

    For contiguous tensors they are views, which may be written to.
    """
    flat = [tensor.reshape(-1, tensor.shape[-1]) for tensor in tensors]
    rows = len(flat[0])
    if flat[0].device.type == "cpu":
        rows = SLICE * torch.get_num_threads() // max(flat[0].shape[-1] * flat[0].element_size(), 1)
    return zip(*(torch.split(tensor, max(rows, 1)) for tensor in flat), strict=True)


class _Product(torch.autograd.Function):
    """``y = x * v`` with ``dL/dx = g * v`` and ``dL/dv = sum over rows of g * x``, for g = dL/dy."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor) -> Tensor:
        ctx.save_for_backward(x, value)
        return x * value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, value = ctx.saved_tensors
        dx = torch.empty_like(x, memory_format=torch.contiguous_format)
        dv = value.new_zeros(value.shape, dtype=torch.promote_types(value.dtype, torch.float32))
        for x_part, g, dx_part in _slices(x, grad, dx):
            dv += torch.mul(x_part, g).sum(dim=0, dtype=dv.dtype)
            torch.mul(g, value, out=dx_part)
        return dx, dv.to(value.dtype)


class _Norm(torch.autograd.Function):
    """``y = w * c * r + b``, where ``r = (sum(s * c^2) + eps)^(-1/2)`` and ``c = x - sum(s * x)`` (or x, not centred).

    Sums are over units unless rows are named. With g = dL/dy, t = r^3 * sum(g * w * c), and h = sum(dL/dc) if centred,
    else 0, the gradients are::

        dL/dw = sum over rows of g * c * r                 dL/db = sum over rows of g
        dL/dc = g * w * r - t * c * s                      dL/dx = dL/dc - h * s
        dL/ds = sum over rows of -t * c^2 / 2 - h * x
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, share: Tensor, weight: Tensor, bias: Tensor | None, eps: float, centred: bool
    ) -> Tensor:
        ctx.save_for_backward(x, share, weight)
        ctx.eps = eps
        ctx.centred = centred
        ctx.biased = bias is not None
        y = torch.empty_like(x, memory_format=torch.contiguous_format)
        for x_part, y_part in _slices(x, y):
            c, r = _centred_and_scale(x_part, share, eps, centred)
            torch.mul(c, r, out=y_part).mul_(weight)
            if bias is not None:
                y_part.add_(bias)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, share, weight = ctx.saved_tensors
        dx = torch.empty_like(x, memory_format=torch.contiguous_format)
        ds = torch.zeros_like(share)
        dw = torch.zeros_like(share)
        db = torch.zeros_like(share)
        for x_part, g, dx_part in _slices(x, grad, dx):
            c, r = _centred_and_scale(x_part, share, ctx.eps, ctx.centred)
            gc = g * c
            dw += r.flatten() @ gc
            t = r**3 * (gc @ weight)[:, None]
            ds -= t.flatten() @ c.square() / 2
            torch.mul(g, weight, out=dx_part).mul_(r)
            dx_part -= c * share * t  # so far dL/dc
            if ctx.centred:
                h = dx_part.sum(dim=-1, keepdim=True)
                ds -= h.flatten() @ x_part
                dx_part -= h * share
            if ctx.biased:
                db += g.sum(dim=0)
        return dx, ds, dw, db if ctx.biased else None, None, None


def _centred_and_scale(x: Tensor, share: Tensor, eps: float, centred: bool) -> tuple[Tensor, Tensor]:
    """Rows ``c`` [rows, units], minus their weighted mean if `centred`, and their scale ``r`` [rows, 1]."""
    c = x - (x @ share)[:, None] if centred else x
    return c, torch.rsqrt((c.square() @ share)[:, None] + eps)
