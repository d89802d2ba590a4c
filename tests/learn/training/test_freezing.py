"""A frozen stack: the other parameters learn exactly what they would have, and nothing else changes."""

import copy

import pytest
import torch

from prunekit.learn.training.freezing import frozen_parts

IDS = torch.tensor([[5, 6, 7, 3], [8, 9, 3, 4]])


def gradients(model):
    model.zero_grad()
    model(input_ids=IDS, labels=IDS, use_cache=False).loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def within(model, part):
    """Names of the parameters that the stack's own modules hold, and no table outside."""
    inside = {id(p) for p in part.parameters()}
    tables = {id(p) for p in (model.get_input_embeddings().weight, model.get_output_embeddings().weight)}
    return {name for name, p in model.named_parameters() if id(p) in inside - tables}


@pytest.mark.parametrize("stack", ["encoder", "decoder"])
def test_the_rest_learns_what_it_would_have(every, stack):
    model = copy.deepcopy(every.model).double()
    held = within(model, model.get_encoder() if stack == "encoder" else model.get_decoder())
    full = gradients(model)
    with frozen_parts(model, [stack]):
        found = gradients(model)
    assert held
    assert found.keys() == full.keys() - held
    shared = {name for name, p in model.named_parameters() if p is model.get_input_embeddings().weight}
    for name in found.keys() - (shared if stack == "encoder" else set()):
        torch.testing.assert_close(found[name], full[name])
    for name in shared if stack == "encoder" else ():
        assert not torch.equal(found[name], full[name]), "what the encoder's lookups contribute is gone"


def test_tables_of_tokens_stay_while_the_rest_learns_what_it_would_have(every):
    model = copy.deepcopy(every.model).double()
    tables = {
        id(p) for table in (model.get_input_embeddings(), model.get_output_embeddings()) for p in table.parameters()
    }
    held = {name for name, p in model.named_parameters() if id(p) in tables}
    full = gradients(model)
    with frozen_parts(model, ["embedding"]):
        found = gradients(model)
    assert held
    assert found.keys() == full.keys() - held
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, full[name])


@pytest.mark.parametrize("stacks", [["encoder"], ["decoder"], ["encoder", "decoder"], ["encoder", "embedding"]])
def test_everything_is_as_before_afterwards(every, stacks):
    model = copy.deepcopy(every.model)
    first = next(iter(model.get_encoder().parameters()))
    first.requires_grad_(False)
    before = {name: p.requires_grad for name, p in model.named_parameters()}
    with pytest.raises(RuntimeError, match="midway"), frozen_parts(model, stacks):
        raise RuntimeError("midway")
    assert {name: p.requires_grad for name, p in model.named_parameters()} == before
    assert "forward" not in vars(model.get_encoder()) | vars(model.get_decoder())


def test_training_on_the_bench_leaves_the_encoder(bench):
    model = bench.model
    encoder = within(model, model.get_encoder())
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    bench.train(steps=3, learning_rate=0.1, frozen_stacks=("encoder",))
    after = dict(model.named_parameters())
    assert all(torch.equal(before[name], after[name]) for name in encoder)
    assert all(not torch.equal(before[name], after[name]) for name in before.keys() - encoder if before[name].numel())
