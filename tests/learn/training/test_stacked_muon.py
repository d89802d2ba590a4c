"""Muon in stacks: torch's own steps up to rounding, whatever the shapes, and singular values near one."""

import copy

import pytest
import torch
from torch import nn
from torch.optim import Muon

from prunekit.learn.training import stacked_muon
from prunekit.learn.training.stacked_muon import (
    COEFFICIENTS,
    EPS,
    STEPS,
    StackedMuon,
    iteration_seconds,
    orthogonalised,
)

SHAPES = [(6, 4), (4, 6), (6, 4), (5, 5), (1, 7), (3, 2)]


def weights(dtype=torch.float32):
    chance = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(*shape, generator=chance).to(dtype)) for shape in SHAPES]


def trained(optimizer, own, steps=4, start=0):
    for step in range(start, start + steps):
        optimizer.zero_grad()
        sum(((step + 1) * weight.sin()).square().sum() for weight in own).backward()
        optimizer.step()


@pytest.mark.parametrize(
    "options", [{}, {"nesterov": False}, {"weight_decay": 0.1}, {"adjust_lr_fn": "match_rms_adamw"}]
)
@pytest.mark.parametrize("together", [1, 2**20])
def test_steps_are_those_of_torch(options, together, monkeypatch):
    """Which multiplies in bfloat16: its steps of 0.05 have an error of a hundredth."""
    monkeypatch.setattr(stacked_muon, "STACKED", together)
    ours, theirs = weights(), weights()
    trained(StackedMuon(ours, torch.bfloat16, lr=0.05, **options), ours)
    trained(Muon(theirs, lr=0.05, **options), theirs)
    for one, other, before in zip(ours, theirs, weights(), strict=True):
        moved = (other - before).abs().max()
        assert moved > 0.01
        assert (one - other).abs().max() < 0.05 * moved


def test_singular_values_come_near_one():
    chance = torch.Generator().manual_seed(0)
    stack = torch.randn(5, 8, 20, generator=chance, dtype=torch.float64)
    values = torch.linalg.svdvals(orthogonalised(stack, COEFFICIENTS, STEPS, EPS))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_a_stack_is_what_its_matrices_are_alone():
    chance = torch.Generator().manual_seed(0)
    stack = torch.randn(5, 8, 20, generator=chance, dtype=torch.float64)
    alone = [orthogonalised(one[None], COEFFICIENTS, STEPS, EPS)[0] for one in stack]
    assert torch.allclose(orthogonalised(stack, COEFFICIENTS, STEPS, EPS), torch.stack(alone), atol=1e-12)


def test_weights_without_a_gradient_stay_and_sixteen_bits_are_kept():
    own = weights(torch.bfloat16)
    before = [weight.detach().clone() for weight in own]
    optimizer = StackedMuon(own, lr=0.5)
    own[0].sum().backward()
    optimizer.step()
    assert own[0].dtype == torch.bfloat16
    assert [torch.equal(one, other) for one, other in zip(own, before, strict=True)] == [False, *[True] * 5]


def test_its_state_resumes_bit_for_bit_and_is_torchs():
    straight = weights()
    optimizer = StackedMuon(straight, lr=0.05)
    trained(optimizer, straight)
    saved = copy.deepcopy(optimizer.state_dict())
    resumed = [nn.Parameter(weight.detach().clone()) for weight in straight]
    trained(optimizer, straight, start=4)
    other = StackedMuon(resumed, lr=0.05)
    other.load_state_dict(saved)
    trained(other, resumed, start=4)
    assert all(torch.equal(one, two) for one, two in zip(straight, resumed, strict=True))
    Muon(weights(), lr=0.05).load_state_dict(saved)


def test_iterations_are_timed():
    small = iteration_seconds(torch.Size((4, 8)), "cpu", torch.float32)
    assert 0 <= small < iteration_seconds(torch.Size((512, 512)), "cpu", torch.float32)


def test_the_faster_precision_wins_if_it_gains_a_tenth(monkeypatch):
    cost = {torch.float32: 1.0, torch.bfloat16: 0.95}
    asked = []

    def seconds(shape, device, kind):
        asked.append(tuple(shape))
        return cost[kind]

    monkeypatch.setattr(stacked_muon, "iteration_seconds", seconds)
    matrices = [torch.empty(6, 4), torch.empty(6, 4), torch.empty(5, 5)]
    assert stacked_muon.faster_precision(matrices, "cpu") == "fp32"
    cost[torch.bfloat16] = 0.5
    assert stacked_muon.faster_precision(matrices, "cpu") == "bf16"
    assert set(asked) == {(6, 4)}
    assert stacked_muon.faster_precision([], "cpu") == "fp32"
