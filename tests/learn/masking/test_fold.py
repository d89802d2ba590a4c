"""Folding: soft masks and folded weights compute the same."""

import copy

import pytest
import torch

from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind
from prunekit.learn.masking.fold import fold
from prunekit.learn.masking.masks import Masks


def soft(groups):
    generator = torch.Generator().manual_seed(0)
    return {g.name: torch.rand(len(g), generator=generator) for g in groups if g.kind in (Kind.HEADS, Kind.FFN)}


def logits(model, batch):
    with torch.inference_mode():
        return model(**batch).logits


def test_folded_weights_compute_what_soft_masks_do(every, batch):
    values = soft(every.graph.groups)
    masks = Masks(every.model, every.graph.groups)
    masks.values.update(values)
    expected = logits(every.model, batch)
    masks.remove()
    folded = copy.deepcopy(every.model)
    fold(folded, every.graph.groups, values)
    assert float((logits(folded, batch) - expected).abs().max() / expected.abs().max()) <= 1e-4
    assert float((logits(every.model, batch) - expected).abs().max() / expected.abs().max()) > 1e-3


def test_only_what_is_named_changes(every):
    folded, group = copy.deepcopy(every.model), next(g for g in every.graph.groups if g.kind is Kind.FFN)
    fold(folded, every.graph.groups, {group.name: torch.full((len(group),), 0.5)})
    before = dict(every.model.named_parameters())
    changed = {name for name, p in folded.named_parameters() if not torch.equal(p, before[name])}
    assert len(changed) == 1
    assert torch.equal(dict(folded.named_parameters())[changed.pop()], before[sole(group)] / 2)


def sole(group):
    return next(piece.parameter for piece in group.slices if piece.dim == 1)


def test_layers_and_dimensions_cannot_be_folded(case):
    groups = case("t5").graph.groups
    for name in ("decoder.layers", "hidden"):
        with pytest.raises(PrunekitError, match=f"Masks of '{name}' cannot be folded"):
            fold(copy.deepcopy(case("t5").model), groups, {name: torch.ones(4)})
