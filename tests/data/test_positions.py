"""Positions of every type of model: the longest length that is allowed runs, and its last positions are two."""

import importlib.util
from pathlib import Path

import pytest
import torch
from transformers import (
    BertConfig,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    ProphetNetConfig,
    RobertaConfig,
    RobertaModel,
)

from prunekit.conformance.model_under_test import enlarge
from prunekit.data.lengths import Positions, positions_of
from prunekit.find.trace import build_skeleton
from prunekit_adapters.prophetnet import ProphetNet

FAMILIES = Path(__file__).parents[1] / "adapters" / "test_families.py"
spec = importlib.util.spec_from_file_location("families_of_positions", FAMILIES)
families = importlib.util.module_from_spec(spec)
spec.loader.exec_module(families)
SUITES = {suite.__name__: suite for suite in families.SUITES if hasattr(suite, "adapter")}


def distinct(states):
    """Whether the last two of some positions with the same token have states of their own."""
    return float((states[0, -1] - states[0, -2]).abs().max()) > 1e-6


@pytest.mark.parametrize("name", SUITES)
def test_the_longest_length_that_is_allowed_runs(name):
    adapter, config = SUITES[name].adapter(), SUITES[name].config
    positions = positions_of(config, build_skeleton(adapter, config), adapter.ahead)
    if positions.target is None:
        assert positions.source is None
        return
    torch.manual_seed(0)
    model = adapter.fresh(config).eval()
    enlarge(model, 0)
    inputs = adapter.encoder_inputs(config, 1)
    if "input_ids" in inputs and positions.source is not None:
        ids = torch.full((1, positions.source), 5)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    answer = torch.full((1, positions.target), 5)
    with torch.no_grad():
        found = model(**inputs, decoder_input_ids=answer)
    assert found.logits.shape[:2] == (1, positions.target)
    assert distinct(found.logits)


def roberta(rows=40, padding=1):
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 20}
    encoder = RobertaConfig(vocab_size=60, max_position_embeddings=rows, pad_token_id=padding, **sizes)
    decoder = BertConfig(vocab_size=60, max_position_embeddings=30, **sizes)
    return EncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder, decoder_start_token_id=2, pad_token_id=0)


@pytest.mark.parametrize("padding", [0, 1, 3])
def test_a_table_that_counts_from_its_padding_serves_fewer_tokens(padding):
    """Against the model itself: as many tokens as are allowed run, one more does not."""
    config = roberta(padding=padding)
    positions = positions_of(config, EncoderDecoderModel(config=config))
    assert positions == Positions(40 - padding - 1, 30)
    encoder = RobertaModel(config.encoder).eval()
    encoder(torch.full((1, positions.source), 7))
    with pytest.raises((IndexError, RuntimeError)):
        encoder(torch.full((1, positions.source + 1), 7))


def test_positions_that_would_be_shared_in_silence_are_not_allowed():
    sizes = SUITES["TestProphetNet"].config.to_dict()
    config = ProphetNetConfig(**{**sizes, "pad_token_id": 0})
    positions = positions_of(config, build_skeleton(ProphetNet(), config))
    model = ProphetNet().fresh(config).eval()
    enlarge(model, 0)
    encoder = model.get_encoder()
    with torch.no_grad():
        assert distinct(encoder(torch.full((1, positions.source), 5)).last_hidden_state)
        assert positions.source == config.max_position_embeddings - 1
