"""Products and norms in slices against autograd's own, and their gradients against differences."""

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn.functional import layer_norm, rms_norm

from prunekit.learn.masking import fused
from prunekit.learn.masking.fused import masked_norm, masked_product

UNITS = 6


@pytest.fixture(params=[1, 2 * UNITS * 8, 10**6], ids=["a row", "two rows", "all rows"])
def slices(request, monkeypatch):
    """Bytes of a slice: of seven rows in doubles one at a time, two with one left over, and all together."""
    monkeypatch.setattr(fused, "SLICE", request.param // torch.get_num_threads())


def drawn(*shape, seed=0, dtype=torch.float64):
    tensor = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return tensor.to(dtype).requires_grad_()


def shares():
    values = torch.tensor([1.0, 0.0, 0.3, 1.0, 0.7, 0.0], dtype=torch.float64)
    return (values / values.sum()).requires_grad_()


def plainly(x, share, weight, bias, eps, centred):
    """The formula, word for word."""
    kept = x - (x * share).sum(-1, keepdim=True) if centred else x
    whole = kept * weight / ((kept**2 * share).sum(-1, keepdim=True) + eps).sqrt()
    return whole if bias is None else whole + bias


def test_a_product_is_the_product(slices):
    x, value = drawn(7, UNITS), drawn(UNITS, seed=1)
    assert torch.equal(masked_product(x, value), x * value)
    assert gradcheck(masked_product, (x, value))


@pytest.mark.parametrize("shape", [(UNITS,), (7, UNITS), (2, 3, UNITS), (0, UNITS)])
def test_rows_have_any_shape(slices, shape):
    x, value = drawn(*shape), drawn(UNITS, seed=1)
    slope = drawn(*shape, seed=2).detach()
    found = torch.autograd.grad(masked_product(x, value), (x, value), slope)
    expected = torch.autograd.grad(x * value, (x, value), slope)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_what_does_not_lie_in_rows_is_read_right(slices):
    x, value, slope = drawn(UNITS, 7), drawn(UNITS, seed=1), drawn(UNITS, 7, seed=2).detach()
    found = torch.autograd.grad(masked_product(x.T, value), (x, value), slope.T)
    expected = torch.autograd.grad(x.T * value, (x, value), slope.T)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_half_precision_gates_are_summed_in_full():
    """Of 4,096 equal terms a running sum in bfloat16 would stop at 256."""
    x = torch.ones(4096, UNITS, dtype=torch.bfloat16)
    value = torch.ones(UNITS, requires_grad=True)
    found = masked_product(x, value)
    assert found.dtype == torch.bfloat16
    found.backward(torch.ones_like(found))
    assert value.grad.tolist() == [4096] * UNITS


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("biased", [True, False])
def test_a_norm_is_its_formula(slices, centred, biased):
    bias = drawn(UNITS, seed=3) if biased else None
    inputs = (drawn(7, UNITS), shares(), drawn(UNITS, seed=2), bias, 0.1, centred)
    torch.testing.assert_close(masked_norm(*inputs), plainly(*inputs))
    assert gradcheck(masked_norm, inputs)


def test_equal_shares_give_the_norms_of_torch(slices):
    x, weight, bias = drawn(2, 4, UNITS), drawn(UNITS, seed=1), drawn(UNITS, seed=2)
    even = torch.full((UNITS,), 1 / UNITS, dtype=torch.float64)
    torch.testing.assert_close(
        masked_norm(x, even, weight, bias, 1e-5, centred=True), layer_norm(x, (UNITS,), weight, bias, 1e-5)
    )
    torch.testing.assert_close(
        masked_norm(x, even, weight, None, 1e-6, centred=False), rms_norm(x, (UNITS,), weight, 1e-6)
    )


def test_autocast_does_not_round_statistics():
    x, share, weight = (each.detach().float() for each in (drawn(7, UNITS), shares(), drawn(UNITS, seed=2)))
    exact = masked_norm(x, share, weight, None, 1e-6, centred=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(masked_norm(x, share, weight, None, 1e-6, centred=True), exact)


def test_inference_needs_no_gradients():
    x, value = drawn(7, UNITS), drawn(UNITS, seed=1)
    expected = masked_norm(x, shares(), value, None, 0.1, centred=False)
    with torch.inference_mode():
        assert torch.equal(masked_product(x, value), x * value)
        assert torch.equal(masked_norm(x, shares(), value, None, 0.1, centred=False), expected)
