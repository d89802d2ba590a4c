"""How answers begin and end: the generation config decides, as it does for `generate`."""

import copy

import pytest

from prunekit import PrunekitError
from prunekit.export.framing import Framing


@pytest.fixture
def model(bart):
    """A BART that starts with 1, must say 2 first, and ends with 1."""
    return copy.deepcopy(bart)


def test_a_models_own(model):
    assert Framing.of(model) == Framing(1, 2, (1,))


def test_the_generation_config_comes_first(model):
    model.generation_config.decoder_start_token_id, model.generation_config.eos_token_id = 7, [8, 9]
    model.generation_config.forced_bos_token_id = None
    found = Framing.of(model)
    assert found == Framing(7, None, (8, 9))
    assert [found.end_for(token) for token in (9, 8, 1, None)] == [9, 8, 8, 8]
    model.generation_config.decoder_start_token_id = model.generation_config.eos_token_id = None
    assert Framing.of(model) == Framing(1, None, (1,))


@pytest.mark.parametrize("key", ["decoder_start_token_id", "eos_token_id"])
def test_a_model_that_says_neither_is_refused(model, key):
    for holder in (model.config, model.generation_config):
        setattr(holder, key, None)
    with pytest.raises(PrunekitError, match=f"names no {key}"):
        Framing.of(model)
