"""The modules that are traced for ONNX, run by torch: token by token they compute what the model does at once."""

import pytest
import torch

from prunekit import PruningPlan
from prunekit.export.onnx_graphs import TOKENS, DecoderGraph, EncoderGraph, observe_cache

EMPTY = PruningPlan({"decoder.1.cross.heads": (), "decoder.2.self.heads": (0, 3), "encoder.0.ffn": ()})


@pytest.fixture(params=["t5", "bart"])
def small(request, case):
    model = case(request.param).cut(EMPTY).float().eval()
    model.set_attn_implementation("eager")
    return model


@pytest.fixture
def inputs():
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 0]])
    return {"input_ids": ids, "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])}


def test_what_a_decoder_caches_is_seen(small, inputs):
    found = observe_cache(small, inputs)
    assert found.own == (0, 1, 2, 3)
    assert found.cross == (0, 2, 3), "an attention without heads has no keys"
    assert found.names("past")[:3] == ["past.0.key", "past.0.value", "past.1.key"]
    assert found.width == 32
    assert [tuple(tensor.shape[:3]) for tensor in found.tensors[:2]] == [(2, 4, 4), (2, 4, 4)]
    assert len(found.tensors) == 2 * (3 + 4)


def test_token_by_token_it_is_the_model(small, inputs):
    found = observe_cache(small, inputs)
    with torch.no_grad():
        _, *cross = EncoderGraph(small)(**inputs)
        decoder = DecoderGraph(small, found)
        past = [tensor[:, :, :0] for tensor in found.tensors[len(cross) :]]
        logits = []
        for step in range(TOKENS.shape[1]):
            step_logits, *past = decoder(TOKENS[:, step : step + 1], inputs["attention_mask"], *cross, *past)
            logits.append(step_logits)
        expected = small(**inputs, decoder_input_ids=TOKENS, use_cache=False).logits
    torch.testing.assert_close(torch.cat(logits, dim=1), expected, atol=1e-4, rtol=1e-5)
    assert past[0].shape[2] == TOKENS.shape[1]
