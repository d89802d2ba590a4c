"""Moonshine: rotary attention behind three convolutions over raw audio; the decoder's FFN is gated in one matrix."""

from torch import Tensor
from transformers import AutoModelForSpeechSeq2Seq, PretrainedConfig

from prunekit import Adapter, Stack, ffn, heads, hookimpl

from .random_inputs import random_audio

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

    def head_size(self, config: PretrainedConfig, stack: str) -> int:
        return int(config.hidden_size // getattr(config, f"{stack}_num_attention_heads"))

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        own, cross = (heads(f"{name}.q_proj", count=COUNT) for name in ("self_attn", "encoder_attn"))
        return (
            Stack("encoder", "model.encoder.layers", own, ffn("mlp.fc1"), depth=("encoder_num_hidden_layers",)),
            Stack("decoder", "model.decoder.layers", own, cross, ffn("mlp.fc1"), depth=("decoder_num_hidden_layers",)),
        )

    def encoder_inputs(self, config: PretrainedConfig, rows: int) -> dict[str, Tensor]:
        return random_audio(rows)


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return Moonshine
