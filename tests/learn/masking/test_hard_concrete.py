"""The hard-concrete distribution against its definition, integrated numerically."""

import math

import numpy as np
import pytest
import torch

from prunekit.learn.masking.hard_concrete import LIMIT, keep_probability, sample

ALPHAS = [-4.605, -2.0, -0.5, 0.0, 1.0, 3.0, 4.605]
SURFACE = (np.arange(200_000) + 0.5) / 200_000
"""Midpoints of the unit interval."""


def exceeds(threshold, alpha):
    """P(gate > t), from P(s > x) for s = sigmoid((logit(u) + alpha) / b): inverted by hand, then stretched."""
    x = (threshold + 0.1) / 1.2
    return 1 / (1 + np.exp((2 / 3) * np.log(x / (1 - x)) - alpha))


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_keep_probability_is_the_chance_of_not_being_zero(alpha):
    gates = sample(torch.full((200_000,), alpha), torch.tensor(SURFACE, dtype=torch.float32))
    assert float(keep_probability(torch.tensor(alpha))) == pytest.approx(exceeds(0.0, alpha), abs=1e-6)
    assert float((gates > 0).float().mean()) == pytest.approx(exceeds(0.0, alpha), abs=2e-5)
    assert float((gates == 1).float().mean()) == pytest.approx(exceeds(1.0, alpha), abs=2e-5)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_moments_of_samples_are_those_of_the_distribution(alpha):
    """E[z] is the integral of P(z > t), E[z**2] that of 2t P(z > t)."""
    gates = sample(torch.full((200_000,), alpha), torch.tensor(SURFACE, dtype=torch.float32)).double()
    assert float(gates.mean()) == pytest.approx(exceeds(SURFACE, alpha).mean(), abs=2e-5)
    assert float(gates.square().mean()) == pytest.approx((2 * SURFACE * exceeds(SURFACE, alpha)).mean(), abs=2e-5)


def test_the_published_values():
    values = keep_probability(torch.tensor([-4.605, 0.0, 4.605]))
    assert values.tolist() == pytest.approx([0.0471, 0.8318, 0.99798], abs=5e-5)
    assert pytest.approx(math.log(100)) == LIMIT


def test_probabilities_never_reach_the_ends():
    assert keep_probability(torch.tensor([-1e4, 1e4])).tolist() == pytest.approx([1e-6, 1 - 1e-6])


def test_gates_at_the_ends_of_the_noise_are_whole_and_finite():
    alphas = torch.tensor([0.0, 0.0], requires_grad=True)
    gates = sample(alphas, torch.tensor([0.0, 1.0]))
    assert gates.tolist() == [0.0, 1.0]
    gates.sum().backward()
    assert alphas.grad.isfinite().all()


def test_gradients_are_those_of_the_curve():
    alpha = torch.tensor([0.3], dtype=torch.float64, requires_grad=True)
    noise = torch.tensor([0.4], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda a: sample(a, noise), (alpha,))
    assert torch.autograd.gradcheck(keep_probability, (alpha,))
