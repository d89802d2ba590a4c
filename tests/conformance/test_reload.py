"""Fresh processes that load a saved model, with prunekit and without."""

import pytest
import torch
from transformers import BartConfig

from prunekit import PrunekitError, PruningPlan
from prunekit.conformance import ModelUnderTest
from prunekit.conformance.reload import TRANSFORMERS_ALONE, WITH_PRUNEKIT, reload
from prunekit.testing.models import BART_SIZES
from prunekit_adapters.bart import Bart


@pytest.fixture(scope="module")
def specimen():
    return ModelUnderTest.tiny(Bart(), BartConfig(**{**BART_SIZES, "vocab_size": 60}))


@pytest.mark.parametrize("program", [WITH_PRUNEKIT, TRANSFORMERS_ALONE], ids=["prunekit", "transformers"])
def test_the_other_process_computes_the_same(specimen, program):
    small = specimen.cut(PruningPlan({"encoder.0.self.heads": (1,), "decoder.layers": (0, 2)}))
    found = reload(small, specimen.batch, specimen.inputs, program, "beam")
    torch.testing.assert_close(found["logits"], specimen.logits(small), atol=1e-6, rtol=1e-6)
    assert torch.equal(found["tokens"], specimen.tokens(small, "beam"))


def test_without_inputs_nothing_is_generated(specimen):
    small = specimen.cut(PruningPlan({"encoder.0.ffn": (1,)}))
    assert set(reload(small, specimen.batch, {})) == {"logits"}


def test_a_model_that_is_saved_wrongly_is_an_error(specimen):
    small = specimen.cut(PruningPlan({"encoder.0.self.heads": (1,)}))
    small.config.prunekit["layout"]["shapes"]["model.encoder.layers.0.self_attn.q_proj.weight"] = [16, 32]
    with pytest.raises(PrunekitError, match="cannot be read in a fresh process: PrunekitError: The weights in"):
        reload(small, specimen.batch, {})
