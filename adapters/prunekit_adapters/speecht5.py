"""SpeechT5, speech to text: post-norm layers between a wav2vec2 front end and a text head."""

import torch
from transformers import AutoModelForSpeechSeq2Seq

from prunekit import Adapter, Stack, ffn, heads, hookimpl

SAMPLES = 4000


class SpeechT5(Adapter):
    """SpeechT5: the front end convolves over groups of hidden dimensions, so the encoder's stay whole."""

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

    def whole(self, config):
        return ("encoder.hidden",)

    def head_size(self, config, stack):
        return config.hidden_size // getattr(config, f"{stack}_attention_heads")

    def stacks(self, config):
        matrix = ffn("feed_forward.intermediate_dense")
        inner, own, cross = (
            heads(f"{name}.q_proj", width="embed_dim") for name in ("attention", "self_attn", "encoder_attn")
        )
        encoder, decoder = "speecht5.encoder", "speecht5.decoder"
        return (
            Stack("encoder", f"{encoder}.wrapped_encoder.layers", inner, matrix, owner=encoder),
            Stack("decoder", f"{decoder}.wrapped_decoder.layers", own, cross, matrix, owner=decoder),
        )

    def encoder_inputs(self, config, rows):
        mask = torch.ones(rows, SAMPLES, dtype=torch.long)
        mask[1::2, 2500:] = 0
        sound = torch.randn(rows, SAMPLES, generator=torch.Generator().manual_seed(0))
        return {"input_values": sound, "attention_mask": mask}


@hookimpl
def prunekit_adapter():
    return SpeechT5
