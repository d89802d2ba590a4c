"""Distillation as data: which terms need a teacher, and how it is made from a recipe's or a strategy's options."""

import pytest
from pydantic import ValidationError

from prunekit import Strategy
from prunekit.learn.training.distillation import LABELS_ONLY, Distillation
from prunekit.recipe import DistillationWeights, PhaseSection


def test_terms_of_weight_zero_need_no_teacher():
    assert not Distillation(logits=0, encoder_hidden=0).needs_teacher
    assert Distillation(logits=0.5, encoder_hidden=0).needs_teacher
    assert Distillation(logits=0, encoder_hidden=0.1).needs_teacher
    assert Distillation(encoder_hidden=0.1, decoder_hidden=0.2).hidden_weights == {"encoder": 0.1, "decoder": 0.2}


def test_it_is_made_of_a_recipes_section():
    section = PhaseSection(distillation=DistillationWeights(logits=0.25, temperature=3.0)).distillation
    assert Distillation.of(section) == Distillation(logits=0.25, temperature=3.0)
    assert Distillation.of(PhaseSection().distillation) == LABELS_ONLY


class Own(Strategy, Distillation):
    """A strategy with an option that is no weight, and another default."""

    decoder_hidden: float = 0.125
    steps: int = 7


def test_it_is_made_of_a_strategys_options_with_changes():
    found = Distillation.of(Own(matching="nearest", encoder_hidden=0.5), encoder_hidden=0.0)
    assert found == Distillation(decoder_hidden=0.125, matching="nearest", encoder_hidden=0.0)
    assert type(found) is Distillation


@pytest.mark.parametrize("wrong", [{"logits": -1}, {"temperature": 0}, {"matching": "last"}, {"logit": 1}])
def test_impossible_weights_are_refused(wrong):
    with pytest.raises(ValidationError):
        Distillation(**wrong)
