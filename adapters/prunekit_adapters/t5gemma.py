"""T5Gemma: two Gemma 2 stacks with a config each; several query heads share one key and value head."""

from collections.abc import Mapping
from typing import Any

from transformers import PretrainedConfig, PreTrainedModel

from prunekit import Adapter, Root, Stack, ffn, heads, hookimpl

SIZES = {
    "hidden_size": 16,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "vocab_size": 24,
}


class T5Gemma(Adapter):
    """T5Gemma: a unit is a key-value head with the query heads that read it."""

    model_types = ("t5gemma",)
    skeleton_sizes = {
        **{f"{stack}.{key}": value for stack in ("encoder", "decoder") for key, value in SIZES.items()},
        "decoder.cross_attention_hidden_size": 16,
    }

    def head_size(self, config: PretrainedConfig, stack: str) -> int:
        own = getattr(config, stack)
        return int(own.head_dim * own.num_attention_heads // own.num_key_value_heads)

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        own, cross = (
            heads(f"{name}.q_proj", count="config.num_key_value_heads") for name in ("self_attn", "cross_attn")
        )
        matrix = ffn("mlp.gate_proj")

        def stack(name: str, *roots: Root) -> Stack:
            depth = (f"{name}.num_hidden_layers",)
            return Stack(name, f"model.{name}.layers", *roots, depth=depth, each=(f"{name}.layer_types",))

        return stack("encoder", own, matrix), stack("decoder", own, cross, matrix)

    def ctranslate2(self, model: PreTrainedModel, loaders: Mapping[str, Any]) -> Any:
        return None  # its loader assumes that all layers are alike, and knows no soft capping


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return T5Gemma
