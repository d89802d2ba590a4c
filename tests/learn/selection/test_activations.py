"""Activations and block influence: against transformers' own hidden states, closed forms, and rows run one by one."""

import copy

import pytest
import torch

from prunekit import discover
from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind, layers_group, width_groups
from prunekit.learn.selection.activations import activation, influence
from prunekit_adapters.bart import Bart


@pytest.fixture
def padded():
    """Three rows, one of which is padded on either side of the model."""
    chance = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 60, (3, 7), generator=chance)
    labels = torch.randint(3, 60, (3, 6), generator=chance)
    mask = torch.ones_like(ids)
    mask[0, 4:], labels[0, 2:] = 0, -100
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def alone(batch):
    """Each row by itself, without its padding."""
    for row in range(len(batch["labels"])):
        real = batch["attention_mask"][row].bool()
        told = batch["labels"][row] != -100
        yield {
            "input_ids": batch["input_ids"][row][real][None],
            "attention_mask": torch.ones(1, int(real.sum()), dtype=torch.long),
            "labels": batch["labels"][row][told][None],
        }


def stacks(case):
    return [layers_group(case.graph.groups, stack) for stack in ("encoder", "decoder")]


def test_padding_counts_neither_for_activations_nor_for_influence(every, padded):
    groups = width_groups(every.graph.groups, "encoder", "decoder")
    for measure, measured in ((activation, groups), (influence, stacks(every))):
        together = measure(every.model, measured, [padded])
        apart = measure(every.model, measured, list(alone(padded)))
        for name, scores in together.items():
            torch.testing.assert_close(scores, apart[name], rtol=1e-4, atol=1e-5)


def test_influence_is_one_less_the_cosine_of_transformers_hidden_states(every, padded):
    """All but the last layers, behind which some models normalise what they call hidden states."""
    watched = copy.deepcopy(every.model)  # transformers leaves hooks on a model that it was asked for its states
    with torch.no_grad():
        found = watched(**padded, output_hidden_states=True)
    masks = {"encoder": padded["attention_mask"].bool(), "decoder": padded["labels"] != -100}
    for group in stacks(every):
        states = found[f"{group.stack}_hidden_states"]
        scores = influence(every.model, [group], [padded])[group.name]
        assert len(scores) == len(group)
        for position in range(len(group) - 1):
            before, after = (states[position + turn][masks[group.stack]].double() for turn in (0, 1))
            cosine = (before * after).sum(-1) / (before.norm(dim=-1) * after.norm(dim=-1))
            assert float(scores[position]) == pytest.approx(float(1 - cosine.mean()), rel=1e-4, abs=1e-6)
        assert float(scores.max()) > 1e-3


def test_a_unit_of_twice_the_output_scores_twice(every, padded):
    """The values of head 1 of every self-attention of the first encoder layer, doubled where they are computed."""
    group = next(g for g in every.graph.groups if g.kind is Kind.HEADS and g.stack == "encoder" and g.prunable)
    value = [
        piece for piece in group.slices if piece.dim == 0 and ("v_proj." in piece.parameter or ".v." in piece.parameter)
    ]
    if not value:
        pytest.skip("values under another name")
    before = activation(every.model, [group], [padded])[group.name]
    changed = copy.deepcopy(every.model)
    with torch.no_grad():
        for piece in value:
            changed.get_parameter(piece.parameter)[piece.span : 2 * piece.span] *= 2
    after = activation(changed, [group], [padded])[group.name]
    factors = torch.ones(len(group))
    factors[1] = 2
    torch.testing.assert_close(after, before * factors, rtol=1e-4, atol=1e-6)


def test_activations_of_channels_without_inputs_are_those_of_their_biases(bart, padded):
    group = next(g for g in discover(Bart(), bart.config).groups if g.kind is Kind.FFN and g.stack == "decoder")
    layer = bart.get_decoder().layers[group.layer]
    biases = torch.linspace(-3, 3, len(group))
    with torch.no_grad():
        layer.fc1.weight.zero_()
        layer.fc1.bias.copy_(biases)
    expected = torch.nn.functional.gelu(biases).abs()
    torch.testing.assert_close(activation(bart, [group], [padded])[group.name], expected, rtol=1e-5, atol=1e-6)


def test_units_of_other_kinds_are_refused(every, padded):
    layers = stacks(every)[0]
    width = width_groups(every.graph.groups, "encoder")[0]
    with pytest.raises(PrunekitError, match="only heads and FFN channels"):
        activation(every.model, [layers], [padded])
    with pytest.raises(PrunekitError, match="no layers"):
        influence(every.model, [width], [padded])


def test_the_model_is_as_it_was(every, padded):
    before = {name: value.clone() for name, value in every.model.state_dict().items()}
    activation(every.model, width_groups(every.graph.groups, "encoder"), [padded])
    influence(every.model, stacks(every), [padded])
    assert all(torch.equal(before[name], value) for name, value in every.model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in every.model.modules())
