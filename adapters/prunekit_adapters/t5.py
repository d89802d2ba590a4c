"""T5, classic and gated (v1.1, Flan), and ByT5, which is a gated T5 over bytes."""

from typing import ClassVar

from transformers import PretrainedConfig

from prunekit import Adapter, FirstOwned, SharedInput, Stack, ffn, heads, hookimpl

BIAS = SharedInput("position_bias", result=1, maker="compute_bias", dim=1)
TABLE = FirstOwned("layer.0.SelfAttention", ("relative_attention_bias",), flag="has_relative_attention_bias")


class T5(Adapter):
    """T5, v1.1, Flan-T5, ByT5: the first layer's position bias serves the whole stack, so its coupling is cut."""

    model_types: ClassVar[tuple[str, ...]] = ("t5",)
    cuts: ClassVar[tuple[str, ...]] = ("relative_attention_bias",)
    skeleton_sizes = {
        "d_model": 16,
        "d_kv": 4,
        "num_heads": 2,
        "d_ff": 12,
        "num_layers": 2,
        "num_decoder_layers": 2,
        "decoder_layers": 2,
    }

    def head_size(self, config: PretrainedConfig, stack: str) -> int:
        return int(config.d_kv)

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        itself = heads("layer.0.SelfAttention.q", count="n_heads", shared=BIAS, results=3)
        cross = heads("layer.1.EncDecAttention.q", count="n_heads", broadcast="n_heads", results=3)
        matrix = "wi_0" if config.is_gated_act else "wi"
        return (
            Stack(
                "encoder",
                "encoder.block",
                itself,
                ffn(f"layer.1.DenseReluDense.{matrix}"),
                depth=("num_layers",),
                first=TABLE,
            ),
            Stack(
                "decoder",
                "decoder.block",
                itself,
                cross,
                ffn(f"layer.2.DenseReluDense.{matrix}"),
                depth=("num_decoder_layers", "decoder_layers"),
                own_depth=("num_layers",),
                first=TABLE,
            ),
        )


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return T5
