"""Evaluation mode ends with every module in its own former mode, also when the block fails."""

import pytest
import torch
from torch import nn

from prunekit._support.modes import evaluation_mode


def mixed():
    """A model in training mode one part of which is in evaluation mode."""
    model = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2)))
    model[1].train(False)
    model[1][1].train(True)
    return model


def modes(model):
    return [module.training for module in model.modules()]


def test_nothing_is_dropped_inside_and_mixed_modes_return():
    model, x = mixed(), torch.ones(64, 2)
    before = modes(model)
    assert before == [True, True, False, False, True]
    assert (model(x) == model[1][1](x)).float().mean() < 1
    with evaluation_mode(model):
        assert modes(model) == [False] * 5
        assert torch.equal(model(x), model[1][1](x))
    assert modes(model) == before


def test_modes_return_when_the_block_fails():
    model = mixed()
    before = modes(model)
    with pytest.raises(RuntimeError, match="midway"), evaluation_mode(model):
        raise RuntimeError("midway")
    assert modes(model) == before


@pytest.mark.parametrize("gradients", [True, False])
def test_there_are_gradients_only_where_they_are_asked_for(gradients):
    model = mixed()
    with evaluation_mode(model, gradients=gradients):
        assert model(torch.ones(1, 2)).requires_grad == gradients
    assert model(torch.ones(1, 2)).requires_grad
