"""Masks: a unit at 0 does nothing, one at 1 is itself, values between are linear, and nothing is left behind."""

import copy

import pytest
import torch

from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan
from prunekit.learn.masking.masks import Masks, masked, plan_values


def logits(model, batch):
    return model(**batch, use_cache=False).logits


def group_of(case, name):
    return next(group for group in case.graph.groups if group.name == name)


@torch.no_grad()
def silenced(case, plan):
    """A copy whose dropped units' weights are set to zero, which needs no knowledge of masks or surgery."""
    model = copy.deepcopy(case.model)
    for group in case.graph.groups:
        for position in group.positions(set(group.ids) - set(plan.of(group))):
            for piece in group.slices:
                model.get_parameter(piece.parameter).narrow(piece.dim, position * piece.span, piece.span).zero_()
    return model


@pytest.mark.parametrize(
    "name", ["encoder.0.self.heads", "encoder.2.ffn", "decoder.1.self.heads", "decoder.3.cross.heads"]
)
def test_a_masked_unit_counts_as_one_whose_weights_are_zero(every, batch, name):
    group = group_of(every, name)
    plan = PruningPlan({name: group.ids[1:-1]})
    with torch.no_grad(), masked(every.model, every.graph.groups, plan):
        found = logits(every.model, batch)
    with torch.no_grad():
        expected, whole = logits(silenced(every, plan), batch), logits(every.model, batch)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert (found - whole).abs().max() > 1e-2 * whole.abs().max()


def test_a_masked_layer_is_not_there(every, batch):
    """The layer's forward pass is replaced by one that hands its input on, which is what dropping it means."""
    path = next(stack.path for stack in every.adapter.stacks(every.config) if stack.name == "decoder")
    model = copy.deepcopy(every.model)
    layers = model.get_submodule(path)
    del layers[2]
    with torch.no_grad():
        expected = logits(model, batch)
        with masked(every.model, every.graph.groups, PruningPlan({"decoder.layers": (0, 1, 3)})):
            found = logits(every.model, batch)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_a_half_kept_layer_is_the_mean_of_both(every, batch):
    """After the last encoder layer comes a norm, so the mean is taken of what the layer itself puts out."""
    group = group_of(every, "encoder.layers")
    layer = every.model.get_submodule(group.path)[2]
    seen = []
    masks = Masks(every.model, [group])
    listener = layer.register_forward_hook(lambda module, args, output: seen.append(output))
    with torch.no_grad():
        for z in (0.0, 1.0, 0.5):
            masks.values[group.name] = torch.tensor([1.0, 1.0, z])
            logits(every.model, batch)
    masks.remove()
    listener.remove()
    dropped, kept, half = (output[0] if isinstance(output, tuple) else output for output in seen)
    assert torch.allclose(half, (dropped + kept) / 2, atol=1e-6)
    assert not torch.allclose(dropped, kept, atol=1e-2)


def test_a_values_share_scales_what_the_unit_gives(every, batch):
    """Half a head is a head whose columns of the output projection are halved."""
    group = group_of(every, "decoder.0.cross.heads")
    model = copy.deepcopy(every.model)
    piece = next(s for s in group.slices if s.dim == 1)
    with torch.no_grad():
        model.get_parameter(piece.parameter).narrow(1, 2 * piece.span, piece.span).mul_(0.5)
        expected = logits(model, batch)
    masks = Masks(every.model, [group])
    masks.values[group.name] = torch.tensor([1.0, 1.0, 0.5, 1.0])
    with torch.no_grad():
        found = logits(every.model, batch)
    masks.remove()
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_ones_and_no_values_at_all_change_nothing(every, batch):
    with torch.no_grad():
        before = logits(every.model, batch)
        groups = [group for group in every.graph.groups if group.prunable]
        masks = Masks(every.model, groups)
        try:
            assert torch.equal(logits(every.model, batch), before)
            masks.values.update({group.name: torch.ones(len(group)) for group in groups})
            assert (logits(every.model, batch) - before).abs().max() <= 1e-5 * before.abs().max()
        finally:
            masks.remove()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in every.model.modules())


def test_masks_come_off_when_the_block_fails(every):
    def fail():
        with masked(every.model, every.graph.groups, PruningPlan({"encoder.0.ffn": ()})):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in every.model.modules())


def test_half_precision_stays_half(case, batch):
    bart = case("bart")
    half = copy.deepcopy(bart.model).bfloat16()
    with (
        torch.no_grad(),
        masked(half, bart.graph.groups, PruningPlan({"encoder.0.ffn": (1,), "decoder.layers": (0, 2)})),
    ):
        assert logits(half, batch).dtype == torch.bfloat16


def test_a_plans_values_name_only_what_it_prunes(case):
    groups = case("t5").graph.groups
    values = plan_values(groups, PruningPlan({"encoder.0.self.heads": (0, 3), "encoder.1.self.heads": (0, 1, 2, 3)}))
    assert {name: value.tolist() for name, value in values.items()} == {"encoder.0.self.heads": [1.0, 0.0, 0.0, 1.0]}


def test_every_head_of_the_toys_matters(every, batch):
    """Otherwise the laws would pass for want of an effect."""
    with torch.no_grad():
        whole = logits(every.model, batch)
        for group in every.graph.groups:
            for unit in group.ids if group.kind is Kind.HEADS else ():
                with masked(every.model, [group], PruningPlan({group.name: tuple(set(group.ids) - {unit})})):
                    assert (logits(every.model, batch) - whole).abs().max() > 1e-3 * whole.abs().max()


def test_soft_hidden_gates_weigh_the_statistics_of_every_norm(every, batch):
    """A hook on each norm recomputes it from the definition, in the order in which the residual stream meets them."""
    keep = torch.rand(32, generator=torch.Generator().manual_seed(3))
    seen = []

    def check(module, args, output):
        x, bias = args[0], getattr(module, "bias", None)
        mean = 0 if bias is None else (x * keep).sum(-1, keepdim=True) / keep.sum()
        variance = ((x - mean) ** 2 * keep).sum(-1, keepdim=True) / keep.sum()
        expected = (x - mean) / (variance + getattr(module, "eps", getattr(module, "variance_epsilon", 0))).sqrt()
        expected = expected * module.weight + (0 if bias is None else bias)
        seen.append(float((output - expected).abs().max()))

    masks = Masks(every.model, every.graph.groups)
    masks.values["hidden"] = keep
    norms = [m for m in every.model.modules() if "Norm" in type(m).__name__]
    handles = [norm.register_forward_hook(check) for norm in norms]
    try:
        with torch.no_grad():
            logits(every.model, batch)
    finally:
        masks.remove()
        for handle in handles:
            handle.remove()
    assert len(seen) == len(norms) > 10
    assert max(seen) < 1e-4


def test_gradients_of_soft_hidden_gates_are_those_of_finite_differences(every, batch):
    """In float64, of a weighted sum of the logits."""
    group = next(g for g in every.graph.groups if g.kind is Kind.HIDDEN)
    model = copy.deepcopy(every.model).double().eval()
    masks = Masks(model, every.graph.groups)
    chance = torch.Generator().manual_seed(0)
    start = 0.5 + 0.5 * torch.rand(len(group), generator=chance, dtype=torch.float64)
    aim = torch.randn(logits(model, batch).shape, generator=chance, dtype=torch.float64)

    def loss(values):
        masks.values[group.name] = values
        return (logits(model, batch) * aim).sum()

    (found,) = torch.autograd.grad(loss(start.clone().requires_grad_()), masks.values[group.name])
    step = torch.randn(len(group), generator=chance, dtype=torch.float64)
    with torch.no_grad():
        slope = (loss(start + 1e-6 * step) - loss(start - 1e-6 * step)) / 2e-6
    assert found @ step == pytest.approx(slope.item(), rel=1e-4)
