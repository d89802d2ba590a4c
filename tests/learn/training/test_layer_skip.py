"""Layers that are passed by: the same losses as cut models have, of layers and encoders that do not run."""

from itertools import combinations

import pytest
import torch
from torch import nn

from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.learn.training.layer_skip import LayerSkip


def stack(bench, name):
    return next(group for group in bench.groups if group.name == f"{name}.layers")


def runs(module):
    """A list that grows whenever `module` runs; for a layer, something inside it, which does not where it is passed."""
    seen = []
    inside = next(part for part in module.modules() if isinstance(part, nn.Linear))
    inside.register_forward_hook(lambda *_: seen.append(1))
    return seen


def test_losses_of_many_plans_are_those_of_the_cut_models(bench, every, loss_by_hand):
    decoder, encoder = stack(bench, "decoder"), stack(bench, "encoder")
    plans = [PruningPlan({"decoder.layers": kept}) for size in (1, 2) for kept in combinations(decoder.ids, size)]
    narrow = next(g for g in bench.groups if g.kind is Kind.FFN and g.stack == "encoder")
    plans += [
        PruningPlan({"encoder.layers": encoder.ids[-1:], "decoder.layers": decoder.ids[-1:]}),
        PruningPlan({narrow.name: narrow.ids[::2]}),
    ]
    expected = [loss_by_hand(every.cut(plan), bench.context.dev) for plan in plans]
    assert max(expected) - min(expected) > 1e-3  # else a mix-up would not show
    assert bench.losses(plans) == pytest.approx(expected, rel=1e-4)
    assert bench.losses(plans[:3]) == pytest.approx(expected[:3], rel=1e-4)  # without those that narrow the encoder


def test_dropped_layers_and_a_common_encoder_run_once(bench):
    """After the first pass a decoder layer that goes runs no more; an encoder that no plan touches runs but once."""
    decoder = stack(bench, "decoder")
    layers = list(bench.model.get_submodule(decoder.path).children())
    last, first = runs(layers[-1]), runs(next(iter(bench.model.get_submodule(stack(bench, "encoder").path).children())))
    without = PruningPlan({"decoder.layers": decoder.ids[:-1]})
    batches = len(bench._dev)
    bench.losses([without] * 5)
    assert len(last) == 1
    assert len(first) == batches
    bench.losses([PruningPlan(), PruningPlan({"encoder.layers": stack(bench, "encoder").ids[:1]})])
    assert len(last) == 1 + 2 * batches
    assert len(first) == 3 * batches


class Giving(nn.Module):
    """A layer that hands on something of its own besides what it was given, as T5's first does."""

    def forward(self, hidden_states, bias=None):
        return hidden_states + 1, bias if bias is not None else torch.ones(2), None


class Layered(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Giving(), Giving()])

    def forward(self, x):
        bias = None
        for layer in self.layers:
            x, bias, _ = layer(x, bias=bias)
        return x, bias


def test_a_layer_that_gives_something_of_its_own_runs():
    group = PruningGroup("decoder.layers", Kind.LAYERS, "decoder", (0, 1), path="layers")
    model, skip, zero = Layered(), LayerSkip(), torch.zeros(3)
    with skip.of(model, [group]):
        model(zero)
        skip.follow([group], PruningPlan({"decoder.layers": (1,)}))
        assert torch.equal(model(zero)[0], zero + 2)  # the first layer makes the bias
        skip.follow([group], PruningPlan({"decoder.layers": (0,)}))
        found, bias = model(zero)
        assert torch.equal(found, zero + 1)
        assert torch.equal(bias, torch.ones(2))
    assert torch.equal(model(zero)[0], zero + 2)
    assert "forward" not in vars(model.layers[1])
