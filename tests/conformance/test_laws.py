"""Checks of behaviour: each fails where a cut model is changed by one weight, and passes where it is not."""

from functools import partial

import pytest
import torch
from transformers import BartConfig

from prunekit.conformance import Failure, ModelUnderTest, Skip, laws
from prunekit.find.groups import Kind
from prunekit.testing.models import BART_SIZES
from prunekit_adapters.bart import Bart

CHECKS = {
    "one kind": partial(laws.one_kind, kind=Kind.FFN),
    "all kinds": laws.all_kinds_together,
    "tokens": laws.fewer_tokens,
    "first": laws.first_layers,
    "empty": laws.empty_sublayers,
    "padded": laws.zeros_replace_removed_units,
    "greedy": partial(laws.same_tokens, way="greedy"),
}


@pytest.fixture
def specimen():
    return ModelUnderTest.tiny(Bart(), BartConfig(**BART_SIZES, vocab_size=60))


@pytest.fixture
def meddled(specimen):
    """The same, whose cut copies have one embedding too large, but for those that are made of a copy."""
    cut = specimen.cut

    def wrong(*args, **kwargs):
        small = cut(*args, **kwargs)
        with torch.no_grad():
            small.model.decoder.layernorm_embedding.weight.mul_(2)
        return small

    specimen.cut = wrong
    return specimen


@pytest.mark.parametrize("name", CHECKS)
def test_masked_equals_cut(specimen, name):
    CHECKS[name](specimen)


@pytest.mark.parametrize("name", sorted(CHECKS.keys() - {"padded"}))
def test_a_wrong_weight_is_seen(meddled, name):
    with pytest.raises(Failure, match=r"logits differ by|tokens differ"):
        CHECKS[name](meddled)


def test_a_second_cut_that_forgets_the_first(specimen):
    cut = specimen.cut
    specimen.cut = lambda plan, model=None, before=None: cut(plan) if model is None else cut(before)
    with pytest.raises(Failure, match="logits differ by"):
        laws.cut_in_two_steps(specimen)


def test_what_the_dense_model_cannot_do_is_skipped(specimen):
    specimen.unsupported = {"beam": "no beams"}
    with pytest.raises(Skip, match="the dense model cannot: no beams"):
        laws.same_tokens(specimen, "beam")
    with pytest.raises(Skip, match="the dense model cannot: no beams"):
        laws.beams_may_share(specimen)


def test_zeros_that_are_filled_wrongly(specimen, monkeypatch):
    padded = laws.padded_model

    def wrong(*args):
        large = padded(*args)
        large.model.decoder.layers[0].fc2.weight.data *= 1.5
        return large

    monkeypatch.setattr(laws, "padded_model", wrong)
    with pytest.raises(Failure, match="logits differ by"):
        laws.zeros_replace_removed_units(specimen)


def test_a_reload_with_other_logits(specimen, monkeypatch):
    reload = laws.reload

    def wrong(*args):
        found = reload(*args)
        return {**found, "logits": found["logits"] + 1}

    monkeypatch.setattr(laws, "reload", wrong)
    with pytest.raises(Failure, match=r"the logits differ by .* after a reload"):
        laws.saved_equals_loaded(specimen)
