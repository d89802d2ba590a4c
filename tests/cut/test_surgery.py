"""Surgery: what a cut model can still do, and what is left untouched by it."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from prunekit.cut.checkpoint import dense_config, plan_of
from prunekit.cut.surgery import cut, cut_copy
from prunekit.find.plan import PlanError, PruningPlan, groups_after
from prunekit.learn.masking.masks import masked
from prunekit.testing import plans

PLAN = PruningPlan(
    {
        "encoder.0.self.heads": (1, 3),
        "encoder.1.self.heads": (),
        "encoder.1.ffn": (0, 3, 4),
        "decoder.layers": (1, 3),
        "decoder.1.self.heads": (0, 2, 3),
        "decoder.1.cross.heads": (),
        "decoder.1.ffn": (),
        "decoder.3.self.heads": (),
    }
)


@pytest.fixture(scope="module")
def small(every):
    """A cut model, which tests leave as it is."""
    return every.cut(PLAN)


def logits(model, batch):
    with torch.inference_mode():
        return model(**batch).logits


def tokens(model, batch, **way):
    words = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    return model.generate(**words, max_new_tokens=6, min_new_tokens=6, **way)


def gradients(model, batch, seed=0):
    """By name, for parameters that have elements."""
    torch.manual_seed(seed)
    model.zero_grad()
    model(**batch, use_cache=False).loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.numel()}


def test_a_copy_behaves_the_same_and_lives_alone(small, batch):
    original = copy.deepcopy(small)
    twin = copy.deepcopy(original)
    expected, beams = logits(small, batch), tokens(small, batch, num_beams=3)
    with torch.no_grad():
        for parameter in original.parameters():
            parameter.zero_()
    del original
    assert torch.equal(logits(twin, batch), expected)
    assert torch.equal(tokens(twin, batch, num_beams=3), beams)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(logits(small, batch), expected)


def test_whoever_holds_the_dense_config_keeps_it_as_it_was(every):
    config = copy.deepcopy(every.config)
    live = every.adapter.build(config, "cpu")
    before = config.to_dict()
    cut(live, PLAN, every.adapter, every.graph, config)
    assert config.to_dict() == before
    assert live.config is not config


def test_layers_know_their_own_widths(small):
    for module in small.modules():
        if isinstance(module, nn.Linear):
            assert (module.out_features, module.in_features) == tuple(module.weight.shape)


@settings(derandomize=True, deadline=None, max_examples=6)
@given(data=st.data())
def test_two_cuts_are_one(every, batch, data):
    first = data.draw(plans(every.graph.groups))
    second = data.draw(plans(groups_after(every.graph.groups, first)))
    direct = every.cut(first.then(second))
    again = every.cut(second, every.cut(first), first)
    assert torch.equal(logits(direct, batch), logits(again, batch))
    assert torch.equal(tokens(direct, batch), tokens(again, batch))
    assert direct.state_dict().keys() == again.state_dict().keys()
    assert direct.config.to_dict() == again.config.to_dict()
    assert plan_of(again) == first.then(second)


def test_the_original_config_is_remembered(every, small):
    original = dense_config(small.config)
    assert type(original) is type(every.config)
    known = {key: value for key, value in every.config.to_dict().items() if key not in ("architectures", "dtype")}
    assert {key: value for key, value in original.to_dict().items() if key in known} == known
    assert dense_config(original) is original


def test_ties_hold(every, small):
    names = {**dict(small.named_parameters(remove_duplicate=False))}
    assert every.graph.ties
    for alias, first in every.graph.ties.items():
        assert names[alias] is names[first]
    untied = every.family == "t5-gated-untied"
    assert (small.lm_head.weight is not small.get_input_embeddings().weight) == untied


def test_bfloat16_generates(small, batch):
    half = copy.deepcopy(small).to(torch.bfloat16)
    assert tokens(half, batch).shape == (3, 7)
    exact = logits(small, batch)
    assert logits(half, batch).dtype == torch.bfloat16
    assert (logits(half, batch).float() - exact).abs().mean() < 0.1 * exact.abs().mean()


def test_gradients_are_those_of_the_masked_model(every, small, batch):
    live = copy.deepcopy(every.model)
    groups = every.graph.groups
    with masked(live, groups, PLAN):
        expected = gradients(live, batch)
    cut_gradients = gradients(copy.deepcopy(small), batch)
    same = [n for n in cut_gradients if "decoder" not in n and cut_gradients[n].shape == expected[n].shape]
    assert len(same) > 5
    for name in same:
        if not name.endswith("k_proj.bias"):  # shifts all scores of a query alike: its gradient is rounding noise
            bound = 1e-4 * expected[name].abs().max()
            assert (expected[name] - cut_gradients[name]).abs().max() <= bound, name
    assert all(gradient.isfinite().all() for gradient in cut_gradients.values())


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing_enable.*:FutureWarning")
@pytest.mark.parametrize("reentrant", [False, True])
def test_gradient_checkpointing_changes_no_gradient(small, batch, reentrant):
    """In training mode, with dropout: layers run a second time on the way back, overrides included."""
    model = copy.deepcopy(small).train()
    expected = gradients(model, batch)
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    found = gradients(model, batch)
    assert model.training
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        assert torch.allclose(gradient, found[name], rtol=1e-4, atol=1e-6), name


def test_frozen_stays_frozen(every):
    live = copy.deepcopy(every.model)
    for name, parameter in live.named_parameters():
        parameter.requires_grad_("decoder" in name)
    small = every.cut(PLAN, live)
    assert all(parameter.requires_grad == ("decoder" in name) for name, parameter in small.named_parameters())


def test_a_plan_for_another_model_is_refused_before_anything_is_cut(every, batch):
    live = copy.deepcopy(every.model)
    with pytest.raises(PlanError, match=r"keeps unit 9 of 'encoder\.0\.self\.heads'"):
        every.cut(PruningPlan({"decoder.layers": (0,), "encoder.0.self.heads": (9,)}), live)
    assert torch.equal(logits(live, batch), logits(every.model, batch))


def test_a_cut_copy_leaves_the_model_and_goes_on_from_what_it_was_cut_to(every, batch):
    first, second = PruningPlan({"decoder.layers": (0, 2)}), PruningPlan({"encoder.0.self.heads": (1,)})
    model = every.cut(first)
    before = logits(model, batch)
    small = cut_copy(model, second, every.adapter, every.graph)
    assert plan_of(small) == first.then(second)
    assert torch.equal(logits(small, batch), logits(every.cut(first.then(second)), batch))
    assert torch.equal(logits(model, batch), before)
    assert cut_copy(model, PruningPlan(), every.adapter, every.graph) is model
