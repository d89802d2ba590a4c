"""Checks of a cut model's structure: each fails where surgery, or the size that is counted, does something else."""

import pytest
import torch
from transformers import BartConfig, T5Config

from prunekit.conformance import Failure, ModelUnderTest, structure
from prunekit.find.size import Size
from prunekit.testing.models import BART_SIZES, T5_SIZES
from prunekit_adapters.bart import Bart
from prunekit_adapters.t5 import T5

CONFIG = BartConfig(**BART_SIZES, vocab_size=60)


@pytest.fixture
def specimen():
    return ModelUnderTest.tiny(Bart(), CONFIG)


def meddled(specimen, change):
    """A model under test whose cut copies are changed afterwards."""
    cut = specimen.cut

    def wrong(*args, **kwargs):
        small = cut(*args, **kwargs)
        with torch.no_grad():
            change(small)
        return small

    specimen.cut = wrong
    return specimen


CHECKS = (
    structure.counted_equals_real,
    structure.empty_plan_changes_nothing,
    structure.wrong_slice_shows,
    structure.ties_are_kept,
    structure.configs_agree,
    structure.alignment_heads_are_the_same,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_right_adapter_passes(specimen, check):
    check(specimen)


def test_a_size_that_is_miscounted(specimen, monkeypatch):
    monkeypatch.setattr(Size, "of", lambda self, plan: 1)
    with pytest.raises(Failure, match=r"1 parameters counted, [\d,]+ found with the plan"):
        structure.counted_equals_real(specimen)


def test_a_cut_that_changes_what_no_plan_names(specimen):
    meddled(specimen, lambda small: small.model.decoder.layers[0].fc1.weight.mul_(1.01))
    with pytest.raises(Failure, match="the empty plan changes the logits"):
        structure.empty_plan_changes_nothing(specimen)


def test_weights_so_small_that_nothing_shows(specimen):
    for parameter in specimen.model.parameters():
        parameter.data.mul_(1e-4)
    with pytest.raises(Failure, match=r"a planted wrong slice of '.*' does not show"):
        structure.wrong_slice_shows(specimen)


def test_ties_that_are_lost(specimen):
    def untie(small):
        small.lm_head.weight = torch.nn.Parameter(small.lm_head.weight.clone())

    with pytest.raises(Failure, match=r"\d+ distinct parameters became \d+"):
        structure.ties_are_kept(meddled(specimen, untie))


class Uncounted(T5):
    """A T5 whose decoder's own copy of the config goes on counting all layers."""

    def stacks(self, config):
        encoder, decoder = super().stacks(config)
        object.__setattr__(decoder, "own_depth", ())
        return encoder, decoder


def test_a_depth_that_is_not_declared():
    specimen = ModelUnderTest.tiny(Uncounted(), T5Config(**T5_SIZES, vocab_size=60))
    with pytest.raises(
        Failure, match=r"decoder\.?[\w.]*\.config\.num_layers is \d, but \d when the cut model is built anew"
    ):
        structure.configs_agree(specimen)


def test_lists_of_heads_that_are_not_renumbered(specimen):
    class Forgetful(Bart):
        alignment = ()

    forgetful = ModelUnderTest.tiny(Forgetful(), CONFIG)
    forgetful.adapter.alignment = ("alignment_heads",)
    cut = forgetful.cut

    def wrong(plan, model=None, before=None):
        forgetful.adapter.alignment = ()
        try:
            return cut(plan, model, before)
        finally:
            forgetful.adapter.alignment = ("alignment_heads",)

    forgetful.cut = wrong
    with pytest.raises((Failure, IndexError)):
        structure.alignment_heads_are_the_same(forgetful)
