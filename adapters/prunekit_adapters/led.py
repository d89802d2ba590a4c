"""LED, the Longformer encoder-decoder."""

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import PretrainedConfig

from prunekit import Adapter, Stack, ffn, heads, hookimpl

from .bart import Bart

SIZES = {"max_encoder_position_embeddings": 16, "max_decoder_position_embeddings": 16, "attention_window": [4, 4]}


class Led(Bart):
    """LED: attentions are as wide as their input, the encoder's in windows: heads and hidden states are not pruned."""

    model_types = ("led",)
    keep = ("longformer_self_attn",)
    skeleton_sizes = {**{k: v for k, v in Bart.skeleton_sizes.items() if k != "max_position_embeddings"}, **SIZES}

    def whole(self, config: PretrainedConfig) -> tuple[str, ...]:
        return ("*.heads", "*hidden")

    def encoder_inputs(self, config: PretrainedConfig, rows: int) -> dict[str, Tensor]:
        inputs = super().encoder_inputs(config, rows)
        return {**inputs, **self.attention_hints(config, inputs)}

    def attention_hints(self, config: PretrainedConfig, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Global attention on the first token that is no padding, as LED's documentation asks."""
        mask = batch["attention_mask"]
        first = mask.argmax(dim=1, keepdim=True)
        return {"global_attention_mask": torch.zeros_like(mask).scatter(1, first, 1)}

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
