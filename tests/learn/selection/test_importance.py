"""Importance: against derivatives taken numerically, and norms summed one unit at a time."""

import copy

import pytest
import torch

from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan
from prunekit.learn.masking.masks import Masks
from prunekit.learn.selection.importance import first_order, magnitude


def loss(model, batch):
    return model(**batch, use_cache=False).loss


@pytest.fixture(scope="module")
def exact(every):
    """The model in double precision, so that differences can be small."""
    return copy.deepcopy(every.model).double()


def prunable(case):
    """All but the vocabulary: which tokens stay is told by a corpus."""
    kinds = (Kind.HEADS, Kind.FFN, Kind.HIDDEN)
    return [group for group in case.graph.groups if group.kind in kinds and group.prunable]


def slope(model, groups, group, position, batch):
    """The loss's derivative by one keep-value at 1, by central differences."""
    step, losses = 7e-4, []  # norms and softmax round to 32 bit, whatever the weights
    masks = Masks(model, groups)
    with torch.no_grad():
        for side in (1, -1):
            values = torch.ones(len(group), dtype=torch.float64)
            values[position] += side * step
            masks.values[group.name] = values
            losses.append(float(loss(model, batch)))
    masks.remove()
    return (losses[0] - losses[1]) / (2 * step)


def test_first_order_is_the_mean_of_absolute_slopes(every, exact, batch):
    other = {**batch, "labels": batch["labels"].roll(1, 0)}
    groups = prunable(every)
    scores = first_order(exact, groups, [batch, other], loss)
    assert [len(scores[group.name]) for group in groups] == [len(group) for group in groups]
    for group in groups:
        for position in (0, len(group) - 1):
            expected = sum(abs(slope(exact, groups, group, position, b)) for b in (batch, other)) / 2
            assert float(scores[group.name][position]) == pytest.approx(expected, rel=5e-3, abs=5e-4)
    assert max(float(value.max()) for value in scores.values()) > 1e-3


def test_first_order_leaves_the_model_as_it_was(every, batch):
    model = copy.deepcopy(every.model).train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("encoder" in name)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first_order(model, prunable(every), [batch], loss)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(parameter.requires_grad == ("encoder" in name) for name, parameter in model.named_parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_first_order_works_without_any_batch(every):
    scores = first_order(every.model, prunable(every), [], loss)
    assert all(not value.any() for value in scores.values())


def rows(case, group, unit):
    """Everything a unit owns, gathered element by element."""
    values = []
    for piece in group.slices:
        parameter = case.model.get_parameter(piece.parameter).detach()
        for index in range(unit * piece.span, (unit + 1) * piece.span):
            values += parameter.select(piece.dim, index).flatten().tolist()
    return values


def test_magnitude_is_the_norm_of_all_that_a_unit_owns(every):
    groups = prunable(every)
    scores = magnitude(every.model, groups)
    inner = magnitude(every.model, groups, groups)["hidden"].square()
    apart = scores["hidden"].square() + scores["encoder.hidden"].square()
    assert torch.allclose(inner, apart)
    for group in groups:
        expected = [sum(v * v for v in rows(every, group, unit)) ** 0.5 for unit in group.ids]
        assert scores[group.name].tolist() == pytest.approx(expected, rel=1e-5)


def test_a_t5_heads_norm_written_out(case):
    t5 = case("t5")
    attention = t5.model.encoder.block[1].layer[0].SelfAttention
    group = next(g for g in t5.graph.groups if g.name == "encoder.1.self.heads")
    blocks = [m.weight[6:12] for m in (attention.q, attention.k, attention.v)] + [attention.o.weight[:, 6:12]]
    expected = torch.cat([block.flatten() for block in blocks]).norm().item()
    assert magnitude(t5.model, [group])[group.name][1].item() == pytest.approx(expected, rel=1e-5)


def test_magnitude_of_a_cut_model(case):
    """Units are scored at their places in the model at hand."""
    t5 = case("t5")
    plan = PruningPlan({"decoder.layers": (1, 3), "decoder.3.ffn": (0, 4, 19)})
    small = t5.cut(plan)
    scores = magnitude(small, t5.graph.after(plan).groups)
    dense = magnitude(t5.model, t5.graph.groups)
    assert torch.allclose(scores["decoder.3.ffn"], dense["decoder.3.ffn"][[0, 4, 19]])
    assert torch.allclose(scores["decoder.1.cross.heads"], dense["decoder.1.cross.heads"])
