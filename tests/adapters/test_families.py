"""Every built-in adapter on tiny models of the types that it serves, by the kit that outsiders use."""

from transformers import BartConfig, MT5Config, T5Config

from prunekit.testing import AdapterSuite
from prunekit_adapters.bart import Bart
from prunekit_adapters.mt5 import MT5
from prunekit_adapters.t5 import T5

SIZES = {
    "vocab_size": 60,
    "d_model": 32,
    "encoder_layers": 3,
    "decoder_layers": 4,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 40,
}
T5_SIZES = {
    "vocab_size": 60,
    "d_model": 32,
    "d_kv": 6,
    "num_heads": 4,
    "d_ff": 20,
    "num_layers": 3,
    "num_decoder_layers": 4,
    "decoder_layers": 4,
    "decoder_start_token_id": 0,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
}


class TestT5(AdapterSuite):
    adapter, config = T5, T5Config(**T5_SIZES)


class TestGatedT5(AdapterSuite):
    adapter, config = T5, T5Config(**T5_SIZES, feed_forward_proj="gated-gelu")


class TestMT5(AdapterSuite):
    adapter, config = MT5, MT5Config(**T5_SIZES)


class TestBart(AdapterSuite):
    adapter, config = Bart, BartConfig(**SIZES)
