"""The adapter, checked on a tiny SeamlessM4T."""

from prunekit.testing import AdapterSuite
from transformers import SeamlessM4TConfig

from my_package.adapter import Seamless


class TestSeamless(AdapterSuite):
    adapter = Seamless
    config = SeamlessM4TConfig(
        vocab_size=60,
        hidden_size=32,
        encoder_layers=3,
        decoder_layers=4,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=20,
        decoder_ffn_dim=24,
        max_position_embeddings=40,
        decoder_start_token_id=2,
    )
