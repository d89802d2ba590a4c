"""Bridging: against ridge regression by hand on the cut model, and what it leaves alone."""

import copy

import pytest
import torch
from torch import nn

from prunekit import prune
from prunekit.find.units import Kind, PruningPlan
from prunekit.learn.bridge import RIDGE, bridge
from prunekit.learn.reconstruct import reader_of

KEPT = 1


@pytest.fixture
def many():
    """More tokens than a matrix has columns; the last row ends in padding."""
    ids = torch.randint(3, 60, (40, 9), generator=torch.Generator().manual_seed(5))
    labels, mask = ids.flip(0, 1).clone(), torch.ones_like(ids)
    labels[-1, 5:], mask[-1, 5:] = -100, 0
    return {"input_ids": ids, "attention_mask": mask, "labels": labels, "index": torch.arange(40)}


@pytest.fixture(params=["encoder", "decoder"])
def stack(request, every):
    return next(g for g in every.graph.groups if g.kind is Kind.LAYERS and g.stack == request.param)


def seen(module, model, batch):
    """The first input and the states that a module gives in one pass of the stock model."""
    found = []

    def hook(module, args, output):
        found[:] = [args[0] if args else None, output[0] if isinstance(output, tuple) else output]

    handle = module.register_forward_hook(hook)
    with torch.inference_mode():
        model(**{key: value for key, value in batch.items() if key != "index"})
    handle.remove()
    return [None if tensor is None else tensor.double() for tensor in found]


def matrix_of(model, case, stack, layer):
    group = next(g for g in case.graph.groups if (g.kind, g.stack, g.layer) == (Kind.FFN, stack.stack, layer))
    return reader_of(model, group)[0]


def tokens(batch, stack):
    return batch["labels"] != -100 if stack.stack == "decoder" else batch["attention_mask"].bool()


def test_one_layer_is_fitted_to_the_end_of_the_stack_by_ridge_regression(every, stack, many):
    model, plan = copy.deepcopy(every.model), PruningPlan({stack.name: (KEPT,)})
    wanted = seen(model.get_submodule(stack.path)[-1], model, many)[1]
    path = matrix_of(model, every, stack, KEPT)
    old = copy.deepcopy(model.get_submodule(path))
    small = prune(copy.deepcopy(model), plan, every.adapter)
    layer = small.get_submodule(stack.path)[0]
    matrix = small.get_submodule(path.replace(f".{KEPT}.", ".0.", 1))
    read, gave = seen(matrix, small, many)
    output = seen(layer, small, many)[1]
    last = (
        [m for m in layer.modules() if isinstance(m, nn.LayerNorm)][-1:]
        if every.model.config.model_type == "bart"
        else []
    )
    for norm in last:  # the sum is normalised: the target is told as a sum of the same mean and deviation
        output = seen(norm, small, many)[0]
        centre, spread = output.mean(-1, keepdim=True), output.std(-1, keepdim=True, correction=0)
        wanted = centre + spread * (wanted - norm.bias.double()) / norm.weight.double()
    real = tokens(many, stack)
    x, t = read[real], (wanted - output + gave)[real]
    start = old.weight.detach().double().T
    if old.bias is not None:
        x, start = (
            torch.cat([x, torch.ones(len(x), 1).double()], 1),
            torch.cat([start, old.bias.detach()[None].double()]),
        )
    strength = (RIDGE * (x.square().sum(0)).mean()).sqrt()
    rows = torch.cat([x, strength * torch.eye(x.shape[1]).double()])
    expected = start + torch.linalg.lstsq(rows, torch.cat([t - x @ start, torch.zeros_like(start)])).solution

    bridge(
        model, every.graph.groups, plan, [{k: v[part] for k, v in many.items()} for part in (slice(25), slice(25, 40))]
    )
    found = model.get_submodule(path)
    assert (found.weight - expected[: old.weight.shape[1]].T).abs().max() < 1e-3 * expected.abs().max()
    assert (found.weight - old.weight).abs().max() > 0.01 * old.weight.abs().max()
    if old.bias is not None:
        assert (found.bias - expected[-1]).abs().max() < 1e-3 * expected.abs().max()


def test_the_short_model_comes_nearer_to_the_dense_one(every, stack, many):
    model, plan = copy.deepcopy(every.model), PruningPlan({stack.name: (0, 2)})
    wanted = seen(model.get_submodule(stack.path)[-1], model, many)[1]
    real = tokens(many, stack)

    def missed(large):
        small = prune(copy.deepcopy(large), plan, every.adapter)
        return (seen(small.get_submodule(stack.path)[-1], small, many)[1] - wanted)[real].square().mean()

    before = missed(model)
    bridge(model, every.graph.groups, plan, [many])
    assert missed(model) < 0.9 * before


def test_only_the_last_matrices_of_layers_that_stay_change(every, stack, many):
    model, plan = copy.deepcopy(every.model), PruningPlan({stack.name: (0, 2)})
    bridge(model, every.graph.groups, plan, [many])
    old = every.model.state_dict()
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, old[name])}
    matrices = {matrix_of(model, every, stack, layer) for layer in (0, 2)}
    assert {name.rpartition(".")[0] for name in changed} == matrices
    assert model.training == every.model.training


@pytest.mark.parametrize("whole", [True, False])
def test_nothing_is_changed_where_no_layer_goes_or_all_do(every, stack, many, whole):
    model, plan = copy.deepcopy(every.model), PruningPlan({stack.name: stack.ids if whole else ()})
    bridge(model, every.graph.groups, plan, [many])
    assert all(torch.equal(tensor, every.model.state_dict()[name]) for name, tensor in model.state_dict().items())
