"""The optimiser of two halves: each does what it does alone, and both answer to one interface."""

import copy

import pytest
import torch
from torch import nn
from torch.optim import AdamW

from prunekit.find.plan import PruningPlan
from prunekit.learn.training.optimizer import MuonAdamW, separate_matrices
from prunekit.learn.training.stacked_muon import StackedMuon


def parameters(seed=0):
    """A matrix, a vector and a multiplier."""
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(*shape, generator=generator)) for shape in ((6, 4), (5,), (2,))]


def descend(optimizer, values, steps, start=0):
    for step in range(start, start + steps):
        optimizer.zero_grad()
        sum(((step + 1) * value.sin()).sum() for value in values).backward()
        optimizer.step()


def built(values):
    matrix, vector, multiplier = values
    climbing = {"params": [multiplier], "lr": 0.5, "maximize": True}
    return MuonAdamW([matrix], [{"params": [vector]}, climbing], lr=0.1)


def test_each_half_does_what_it_does_alone():
    together, alone = parameters(), parameters()
    descend(built(together), together, 5)
    muon = StackedMuon(alone[:1], lr=0.1, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    adam = AdamW([{"params": alone[1:2]}, {"params": alone[2:], "lr": 0.5, "maximize": True}], lr=0.1, weight_decay=0.0)
    descend(muon, alone[:1], 5)
    descend(adam, alone[1:], 5)
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))


def test_multipliers_climb_while_weights_descend():
    values = parameters()
    with torch.no_grad():
        for value in values:
            value.zero_()
    descend(built(values), values, 1)
    assert (values[1] < 0).all()
    assert (values[2] > 0).all()


def test_one_scheduler_moves_both_halves():
    values = parameters()
    optimizer = built(values)
    before = [value.detach().clone() for value in values]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, [lambda _: 0.0, lambda _: 0.0, lambda _: 1.0])
    descend(optimizer, values, 1)
    assert [group["lr"] for group in optimizer.param_groups] == schedule.get_last_lr() == [0.0, 0.0, 0.5]
    assert [torch.equal(a, b) for a, b in zip(values, before, strict=True)] == [True, True, False]


def test_zeroing_gradients_reaches_both_halves():
    values = parameters()
    optimizer = built(values)
    sum(value.sum() for value in values).backward()
    optimizer.zero_grad()
    assert all(value.grad is None for value in values)


def test_resuming_is_bit_identical():
    straight = parameters()
    optimizer = built(straight)
    descend(optimizer, straight, 4)
    resumed, saved = [nn.Parameter(p.detach().clone()) for p in straight], copy.deepcopy(optimizer.state_dict())
    descend(optimizer, straight, 4, start=4)
    other = built(resumed)
    other.load_state_dict(saved)
    descend(other, resumed, 4, start=4)
    assert all(torch.equal(a, b) for a, b in zip(straight, resumed, strict=True))


def test_a_schedule_still_reaches_both_halves_after_resuming():
    values = parameters()
    optimizer = built(values)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = [value.detach().clone() for value in values]
    descend(optimizer, values, 1)
    assert all(torch.equal(a, b) for a, b in zip(values, before, strict=True))


def test_matrices_are_the_weights_of_the_layers_and_nothing_is_forgotten(every):
    matrices, rest = separate_matrices(every.model)
    names = {id(parameter): name for name, parameter in every.model.named_parameters()}
    inside = tuple(f"{stack.path}." for stack in every.adapter.stacks(every.config))
    two_dimensional = {n for n, p in every.model.named_parameters() if p.dim() == 2 and n.startswith(inside)}
    assert {names[id(p)] for p in matrices} == {n for n in two_dimensional if "relative_attention_bias" not in n}
    assert sorted(names[id(p)] for p in [*matrices, *rest]) == sorted(names.values())


def test_frozen_weights_are_left_out(case):
    model = copy.deepcopy(case("t5").model)
    model.encoder.requires_grad_(False)
    matrices, rest = separate_matrices(model)
    assert {id(p) for p in [*matrices, *rest]} == {id(p) for p in model.parameters() if p.requires_grad}


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_a_cut_model_with_empty_sub_layers_trains(case, batch, family):
    model = case(family).cut(
        PruningPlan({"encoder.0.self.heads": (), "encoder.1.ffn": (), "decoder.layers": (1, 2), "decoder.1.ffn": (3,)})
    )
    matrices, rest = separate_matrices(model)
    optimizer = MuonAdamW(matrices, [{"params": rest}], lr=0.01)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = model(**batch, use_cache=False).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(parameter.isfinite().all() for parameter in model.parameters())
