"""Config keys that are sizes, and the small configs that they make."""

import pytest
from transformers import BartConfig

from prunekit import PrunekitError
from prunekit.scaffold.sizes import kind_of, known, small_of


@pytest.mark.parametrize(
    ("key", "tiny"),
    [
        ("d_model", 32),
        ("hidden_size", 32),
        ("num_hidden_layers", 3),
        ("n_layers", 3),
        ("encoder_attention_heads", 4),
        ("num_heads", 4),
        ("d_kv", 6),
        ("decoder_ffn_dim", 20),
        ("vocab_size", 60),
        ("t2u_vocab_size", 60),
        ("max_position_embeddings", 40),
        ("max_source_positions", 40),
    ],
)
def test_sizes_are_known_by_their_names(key, tiny):
    assert small_of(key).tiny == tiny


@pytest.mark.parametrize("key", ["dropout", "layerdrop", "num_beams", "relative_attention_num_buckets", "pad_token_id"])
def test_other_numbers_are_none(key):
    assert small_of(key) is None


def test_a_tiny_config_has_unlike_stacks_and_tokens_that_it_knows():
    kind = kind_of("bart")
    sizes = kind.sizes("tiny")
    assert (sizes["encoder_layers"], sizes["decoder_layers"]) == (3, 4)
    assert (sizes["encoder_ffn_dim"], sizes["decoder_ffn_dim"]) == (20, 24)
    assert kind.sizes("skeleton")["decoder_attention_heads"] == 4
    config = BartConfig(**kind.tiny())
    assert config.forced_eos_token_id is None
    assert max(config.pad_token_id, config.bos_token_id, config.eos_token_id, config.decoder_start_token_id) < 24


def test_models_are_built_without_memory():
    model = kind_of("bart").build(decoder_layers=2)
    assert len(model.model.decoder.layers) == 2
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


def test_kinds_that_an_auto_class_makes():
    assert kind_of("whisper").auto == "AutoModelForSpeechSeq2Seq"
    assert {"bart", "t5", "whisper"} <= set(known())
    assert "bert" not in known()


@pytest.mark.parametrize(
    ("model_type", "sentence"),
    [
        ("brat", "knows no model type 'brat'; did you mean 'bart'"),
        ("bert", "have no encoder and decoder"),
        ("encoder-decoder", "put together from several configs"),
    ],
)
def test_kinds_that_cannot_be_drafted(model_type, sentence):
    with pytest.raises(PrunekitError, match=sentence):
        kind_of(model_type)
