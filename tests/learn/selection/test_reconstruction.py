"""Reconstruction: against least squares by brute force, and models in which units really are redundant."""

import copy

import pytest
import torch

from prunekit import PrunekitError
from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan
from prunekit.learn.masking.masks import masked
from prunekit.learn.selection.reconstruction import RIDGE, Moments, elimination_errors, reconstruction


def widths(case, *stacks):
    kinds = (Kind.HEADS, Kind.FFN)
    return [g for g in case.graph.groups if g.stack in (stacks or ("encoder", "decoder")) and g.kind in kinds]


def tokens(count, size, seed=0):
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed)).double()


def residual(x, weight, kept, biased=True):
    """The mean squared error, over tokens, of the best map from the kept columns of x to x @ weight.T."""
    wanted = x @ weight.T
    given = torch.cat([x[:, kept], torch.ones(len(x), 1).double()], dim=1) if biased else x[:, kept]
    return float((given @ torch.linalg.lstsq(given, wanted).solution - wanted).square().sum() / len(x))


@pytest.mark.parametrize("span", [1, 3])
@pytest.mark.parametrize("biased", [True, False])
def test_errors_are_those_of_least_squares_with_the_units_that_are_left(span, biased):
    x = tokens(400, 12) @ (torch.eye(12).double() + 0.2 * tokens(12, 12, 1)) + 2
    weight = tokens(5, 12, 2)
    moments = Moments.zeros(12)
    for part in x.split(150):
        moments.add(part)
    units = torch.arange(12).view(-1, span)
    scores = elimination_errors(moments.second_moments(biased), weight, units)
    order, left, before, grown = scores.argsort(), set(range(12)), 0.0, 0.0
    for unit in order.tolist()[:-1]:
        rest = {u: sorted(left - set(units[u].tolist())) for u in range(len(units)) if int(units[u][0]) in left}
        errors = {u: residual(x, weight, kept, biased) for u, kept in rest.items()}
        assert errors[unit] == pytest.approx(min(errors.values()), rel=0.02)
        grown = max(grown, errors[unit] - before)
        assert float(scores[unit]) == pytest.approx(grown, rel=0.04, abs=0.02 * errors[unit])
        left, before = set(rest[unit]), errors[unit]


@pytest.fixture
def many():
    """More tokens than there are channels, so that no channel is told by chance."""
    ids = torch.randint(3, 60, (40, 9), generator=torch.Generator().manual_seed(5))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.flip(0, 1)}


def test_next_to_nothing_is_lost_when_channels_go_that_others_repeat(every, many):
    """Every second channel is a copy of the one before; without the copies, and refitted, the model is the same."""
    model = copy.deepcopy(every.model)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    groups = [g for g in widths(every) if g.kind is Kind.FFN]
    with torch.no_grad():
        for group in groups:
            for piece in group.slices:
                if piece.dim == 0 or parameters[piece.parameter].dim() == 1:
                    rows = parameters[piece.parameter]
                    rows[1::2] = rows[::2]
    found = reconstruction(model, groups, [many])
    plan = PruningPlan({g.name: g.ids[::2] for g in groups})
    for group in groups:
        scores = found.scores[group.name].sort().values
        assert scores[: len(group) // 2].sum() < 0.01 * scores.sum()  # one of each pair is missed, the other is not
    with torch.inference_mode():
        expected = model(**many).logits
        with masked(model, every.graph.groups, plan):
            spoiled = (model(**many).logits - expected).abs().max()
        found.refit(plan)
        with masked(model, every.graph.groups, plan):
            mended = (model(**many).logits - expected).abs().max()
    assert spoiled > 0.05 * expected.abs().max()
    assert mended < 0.05 * spoiled


def test_padding_does_not_count(every, batch):
    """More padding behind the rows changes no score."""
    group = next(g for g in widths(every, "encoder") if g.kind is Kind.FFN)
    wider = {
        **batch,
        "input_ids": torch.nn.functional.pad(batch["input_ids"], (0, 5), value=7),
        "attention_mask": torch.nn.functional.pad(batch["attention_mask"], (0, 5)),
    }
    one, other = (reconstruction(every.model, [group], [b]).scores[group.name] for b in (batch, wider))
    assert torch.allclose(one, other, rtol=1e-3)


def test_the_model_is_left_as_it_was_until_it_is_refitted(every, batch):
    model = copy.deepcopy(every.model).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = reconstruction(model, widths(every), [batch])
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in model.modules())
    whole = PruningPlan({g.name: g.ids for g in found.groups[:2]} | {found.groups[2].name: ()})
    found.refit(whole)  # nothing to make up for, or nobody to do it
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_channel_that_never_speaks_costs_nothing():
    moments = Moments.zeros(3)
    x = tokens(50, 3)
    x[:, 1] = 0
    moments.add(x)
    assert (
        int(
            elimination_errors(
                moments.second_moments(True), torch.ones(2, 3).double(), torch.arange(3)[:, None]
            ).argmin()
        )
        == 1
    )
    assert moments.second_moments(False)[1, 1] == pytest.approx(RIDGE * float(x.square().sum() / 50 / 3))


def test_other_units_are_refused(every, batch):
    with pytest.raises(PrunekitError, match="only heads and FFN channels"):
        reconstruction(every.model, [g for g in every.graph.groups if g.kind is Kind.HIDDEN], [batch])
