"""Moonshine: rotary attention behind three convolutions over raw audio; the decoder's FFN is gated in one matrix."""

from transformers import AutoModelForSpeechSeq2Seq

from prunekit import Adapter, Stack, ffn, heads, hookimpl

from .noise import sounds

COUNT = "config.num_key_value_heads"


class Moonshine(Adapter):
    """Moonshine: attentions read their number of heads from a config that they share; a cut one gets its own."""

    auto_class = AutoModelForSpeechSeq2Seq
    model_types = ("moonshine",)
    skeleton_sizes = {
        "hidden_size": 16,
        "intermediate_size": 12,
        "encoder_num_hidden_layers": 2,
        "decoder_num_hidden_layers": 2,
        "encoder_num_attention_heads": 2,
        "decoder_num_attention_heads": 2,
        "encoder_num_key_value_heads": 2,
        "decoder_num_key_value_heads": 2,
    }

    def head_size(self, config, stack):
        return config.hidden_size // getattr(config, f"{stack}_num_attention_heads")

    def stacks(self, config):
        own, cross = (heads(f"{name}.q_proj", count=COUNT) for name in ("self_attn", "encoder_attn"))
        return (
            Stack("encoder", "model.encoder.layers", own, ffn("mlp.fc1"), depth=("encoder_num_hidden_layers",)),
            Stack("decoder", "model.decoder.layers", own, cross, ffn("mlp.fc1"), depth=("decoder_num_hidden_layers",)),
        )

    def encoder_inputs(self, config, rows):
        return sounds(rows)


@hookimpl
def prunekit_adapter():
    return Moonshine
