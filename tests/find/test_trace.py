"""Tracing: what it sees does not depend on the state of the model, which it leaves as it was."""

import pytest
import torch

from prunekit.errors import PrunekitError
from prunekit.find.trace import trace


def traced(adapter, model):
    return set(trace(adapter, model).components)


@pytest.fixture(params=["t5-gated", "bart"])
def small(request, case):
    """An adapter and a fresh skeleton."""
    subject = case(request.param)
    return subject.adapter, subject.adapter.build(subject.adapter.skeleton(subject.config), "cpu")


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
