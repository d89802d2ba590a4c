"""Dropout at another rate: every rate in every family, no matter where the model keeps it, and back again."""

import copy

import pytest
import torch
from torch import nn

from prunekit.learn.training.dropout import dropout_at


def rates(model):
    """Every number in the model's modules whose name speaks of dropout, and the p of dropout modules."""
    found = {}
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, float) and ("dropout" in name or isinstance(module, nn.Dropout)):
                found[path, name] = value
    return found


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_every_rate_changes_inside_and_returns(every, rate):
    model = copy.deepcopy(every.model)
    before = rates(model)
    assert any(value not in (0.0, rate) for value in before.values())
    with dropout_at(model, rate):
        assert set(rates(model).values()) == {rate}
    assert rates(model) == before
    with pytest.raises(RuntimeError, match="midway"), dropout_at(model, rate):
        raise RuntimeError("midway")
    assert rates(model) == before


def test_at_rate_0_training_mode_computes_what_evaluation_does(every, batch):
    model = copy.deepcopy(every.model).train()
    with torch.no_grad():
        expected = every.model(**batch).logits
        assert not torch.allclose(model(**batch).logits, expected)
        with dropout_at(model, 0.0):
            assert torch.allclose(model(**batch).logits, expected, atol=1e-5)


def test_without_a_rate_nothing_changes(case):
    model = copy.deepcopy(case("bart").model)
    before = rates(model)
    with dropout_at(model, None):
        assert rates(model) == before


class Power(nn.Module):
    """Has a p that is no rate of dropout, and a switch called dropout."""

    def __init__(self):
        super().__init__()
        self.p = 2.0
        self.dropout = True


def test_only_rates_of_dropout_change():
    power = Power()
    with dropout_at(power, 0.3):
        assert (power.p, power.dropout) == (2.0, True)
