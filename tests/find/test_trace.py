"""Tracing: what it sees does not depend on the state of the model, which it leaves as it was."""

import copy

import pytest
import torch
import torch_pruning as tp

from prunekit.errors import PrunekitError
from prunekit.find.trace import PRIVATE, build_skeleton, trace


def traced(adapter, model):
    return set(trace(adapter, model).components)


@pytest.fixture(params=["t5-gated", "bart"])
def small(request, case):
    """An adapter and a fresh skeleton."""
    subject = case(request.param)
    return subject.adapter, build_skeleton(subject.adapter, subject.config)


def test_a_frozen_model_in_train_mode_is_traced_like_any_other_and_stays_so(small):
    adapter, model = small
    expected = traced(adapter, model.eval())
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("decoder" in name)
    assert traced(adapter, model.train()) == expected
    assert model.training
    assert all(parameter.requires_grad == ("decoder" in name) for name, parameter in model.named_parameters())


def test_no_grad_hides_no_couplings(small):
    adapter, model = small
    expected = traced(adapter, model)
    with torch.no_grad():
        assert traced(adapter, model) == expected


def test_the_state_is_restored_after_a_failure(small):
    adapter, model = small
    model.train().requires_grad_(False)

    class Broken(type(adapter)):
        def encoder_inputs(self, config, rows):
            return {"input_ids": "nonsense"}

    with pytest.raises(Exception, match=r"."):
        trace(Broken(), model)
    assert model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_forward_pass_without_gradients_is_an_error_and_not_an_empty_graph(small):
    adapter, model = small
    forward = model.forward
    model.forward = torch.no_grad()(forward)
    with pytest.raises(PrunekitError, match="found no couplings; does its forward pass run under no_grad"):
        trace(adapter, model)


def test_the_torch_pruning_that_is_installed_has_what_is_used_of_it():
    assert all(callable(getattr(tp.DependencyGraph, name)) for name in PRIVATE)


def test_another_torch_pruning_is_refused_in_a_sentence(small, monkeypatch):
    adapter, model = small
    monkeypatch.delattr(tp.DependencyGraph, "_trace")
    with pytest.raises(PrunekitError, match=r"has no DependencyGraph\._trace, .*; install 'torch-pruning~=1\.6\.1'"):
        trace(adapter, model)


def test_a_skeleton_is_narrow_in_float32_and_written_out(case):
    subject = case("bart")
    half = copy.deepcopy(subject.config)
    half.dtype = torch.bfloat16
    skeleton = build_skeleton(subject.adapter, half)
    assert {parameter.dtype for parameter in skeleton.parameters()} == {torch.float32}
    assert (skeleton.config.d_model, skeleton.config.encoder_layers, skeleton.config.vocab_size) == (16, 2, 24)
    attention = skeleton.model.encoder.layers[0].self_attn
    with torch.no_grad():
        assert attention(torch.ones(1, 3, 16), output_attentions=True)[1] is not None, (
            "fused attentions give no weights"
        )
