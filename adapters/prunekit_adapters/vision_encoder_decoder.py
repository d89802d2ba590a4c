"""Encoder-decoders that read images: a ViT or DeiT before a TrOCR decoder."""

from torch import Tensor
from transformers import PretrainedConfig, VisionEncoderDecoderModel

from prunekit import Adapter, Stack, ffn, heads, hookimpl

from .encoder_decoder import BERT_SIZES, EncoderDecoder
from .random_inputs import random_features


class VisionEncoderDecoder(EncoderDecoder):
    """TrOCR: its attentions are as wide as their input, so the decoder's heads and hidden dimensions are not pruned."""

    auto_class = VisionEncoderDecoderModel
    model_types = ("vision-encoder-decoder",)
    halves = {"encoder": ("vit", "deit"), "decoder": ("trocr",)}
    encoder_sizes = {**BERT_SIZES, "image_size": 4, "patch_size": 2}
    decoder_sizes = {
        "hidden_size": 16,
        "decoder_layers": 2,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": 12,
        "vocab_size": 24,
    }

    def whole(self, config: PretrainedConfig) -> tuple[str, ...]:
        return ("decoder.*.heads", "decoder.hidden")

    def head_size(self, config: PretrainedConfig, stack: str) -> int:
        own = getattr(config, stack)
        count = own.decoder_attention_heads if stack == "decoder" else own.num_attention_heads
        return int(own.hidden_size // count)

    def encoder_inputs(self, config: PretrainedConfig, rows: int) -> dict[str, Tensor]:
        own = config.encoder
        return {"pixel_values": random_features(rows, own.num_channels, own.image_size, own.image_size)}

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        inner = heads("attention.q_proj", count="num_attention_heads")
        own = heads("self_attn.q_proj")
        cross = heads("encoder_attn.q_proj")
        return (
            self.stack("encoder", "encoder.layers", inner, ffn("mlp.fc1")),
            self.stack("decoder", "decoder.model.decoder.layers", own, cross, ffn("fc1"), depth="decoder_layers"),
        )


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return VisionEncoderDecoder
