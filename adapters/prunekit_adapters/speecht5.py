"""SpeechT5, speech to text: post-norm layers between a wav2vec2 front end and a text head."""

from torch import Tensor
from transformers import AutoModelForSpeechSeq2Seq, PretrainedConfig

from prunekit import Adapter, Stack, ffn, heads, hookimpl

from .random_inputs import random_audio


class SpeechT5(Adapter):
    """SpeechT5: the front end convolves over groups of hidden dimensions, so the encoder's are not pruned."""

    auto_class = AutoModelForSpeechSeq2Seq
    model_types = ("speecht5",)
    cuts = ("pe_k",)
    skeleton_sizes = {
        "hidden_size": 16,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 12,
        "decoder_ffn_dim": 20,
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
    }

    def whole(self, config: PretrainedConfig) -> tuple[str, ...]:
        return ("encoder.hidden",)

    def head_size(self, config: PretrainedConfig, stack: str) -> int:
        return int(config.hidden_size // getattr(config, f"{stack}_attention_heads"))

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        matrix = ffn("feed_forward.intermediate_dense")
        inner, own, cross = (
            heads(f"{name}.q_proj", width="embed_dim") for name in ("attention", "self_attn", "encoder_attn")
        )
        encoder = "speecht5.encoder"
        decoder = "speecht5.decoder"
        return (
            Stack("encoder", f"{encoder}.wrapped_encoder.layers", inner, matrix, owner=encoder),
            Stack("decoder", f"{decoder}.wrapped_decoder.layers", own, cross, matrix, owner=decoder),
        )

    def encoder_inputs(self, config: PretrainedConfig, rows: int) -> dict[str, Tensor]:
        return random_audio(rows)


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return SpeechT5
