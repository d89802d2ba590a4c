"""LED, the Longformer encoder-decoder."""

import torch
from torch import Tensor
from transformers import PretrainedConfig

from prunekit import Adapter, Stack, ffn, heads, hookimpl

from .bart import Bart

SIZES = {"max_encoder_position_embeddings": 16, "max_decoder_position_embeddings": 16, "attention_window": [4, 4]}


class Led(Bart):
    """LED: attentions are as wide as their input, the encoder's in windows: heads and hidden states are not pruned."""

    model_types = ("led",)
    skeleton_sizes = {**{k: v for k, v in Bart.skeleton_sizes.items() if k != "max_position_embeddings"}, **SIZES}

    def whole(self, config: PretrainedConfig) -> tuple[str, ...]:
        return ("*.heads", "*hidden")

    def encoder_inputs(self, config: PretrainedConfig, rows: int) -> dict[str, Tensor]:
        inputs = super().encoder_inputs(config, rows)
        everywhere = torch.zeros_like(inputs["input_ids"])
        everywhere[:, 2] = 1
        return {**inputs, "global_attention_mask": everywhere}

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        own = heads("self_attn.q_proj")
        cross = heads("encoder_attn.q_proj")
        return (
            Stack("encoder", "led.encoder.layers", ffn("fc1"), each=("attention_window",)),
            Stack("decoder", "led.decoder.layers", own, cross, ffn("fc1")),
        )


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return Led
