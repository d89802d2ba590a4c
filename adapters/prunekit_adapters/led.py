"""LED, the Longformer encoder-decoder."""

import torch

from prunekit import Stack, ffn, heads, hookimpl

from .bart import Bart

SIZES = {"max_encoder_position_embeddings": 16, "max_decoder_position_embeddings": 16, "attention_window": [4, 4]}


class Led(Bart):
    """LED: attentions are as wide as their input, and the encoder's work in windows: heads and hidden stay whole."""

    model_types = ("led",)
    skeleton_sizes = {**{k: v for k, v in Bart.skeleton_sizes.items() if k != "max_position_embeddings"}, **SIZES}

    def whole(self, config):
        return ("*.heads", "*hidden")

    def encoder_inputs(self, config, rows):
        inputs = super().encoder_inputs(config, rows)
        everywhere = torch.zeros_like(inputs["input_ids"])
        everywhere[:, 2] = 1
        return {**inputs, "global_attention_mask": everywhere}

    def stacks(self, config):
        own, cross = heads("self_attn.q_proj"), heads("encoder_attn.q_proj")
        return (
            Stack("encoder", "led.encoder.layers", ffn("fc1"), each=("attention_window",)),
            Stack("decoder", "led.decoder.layers", own, cross, ffn("fc1")),
        )


@hookimpl
def prunekit_adapter():
    return Led
