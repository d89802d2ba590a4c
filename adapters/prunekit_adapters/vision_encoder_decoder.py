"""Encoder-decoders that read images: a ViT or DeiT before a TrOCR decoder."""

from transformers import VisionEncoderDecoderModel

from prunekit import ffn, heads, hookimpl

from .encoder_decoder import BERT_SIZES, EncoderDecoder
from .noise import noise


class VisionEncoderDecoder(EncoderDecoder):
    """TrOCR: its attentions are as wide as their input, so the decoder's heads and hidden dimensions stay whole."""

    auto_class = VisionEncoderDecoderModel
    model_types = ("vision-encoder-decoder",)
    encoder_sizes = {**BERT_SIZES, "image_size": 4, "patch_size": 2}
    decoder_sizes = {
        "hidden_size": 16,
        "decoder_layers": 2,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": 12,
        "vocab_size": 24,
    }

    def whole(self, config):
        return ("decoder.*.heads", "decoder.hidden")

    def head_size(self, config, stack):
        own = getattr(config, stack)
        return own.hidden_size // (own.decoder_attention_heads if stack == "decoder" else own.num_attention_heads)

    def encoder_inputs(self, config, rows):
        own = config.encoder
        return {"pixel_values": noise(rows, own.num_channels, own.image_size, own.image_size)}

    def stacks(self, config):
        inner = heads("attention.q_proj", count="num_attention_heads")
        own, cross = heads("self_attn.q_proj"), heads("encoder_attn.q_proj")
        return (
            self.stack("encoder", "encoder.layers", inner, ffn("mlp.fc1")),
            self.stack("decoder", "decoder.model.decoder.layers", own, cross, ffn("fc1"), depth="decoder_layers"),
        )


@hookimpl
def prunekit_adapter():
    return VisionEncoderDecoder
