"""UMT5: a T5 whose every self-attention has a position bias of its own."""

from transformers import PretrainedConfig

from prunekit import Adapter, Stack, heads, hookimpl

from .t5 import T5


class UMT5(T5):
    """UMT5: the bias has a column for each head and is cut like any other part of the attention."""

    model_types = ("umt5",)
    cuts = ()

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        own, cross = (heads(f"layer.{name}.q", count="n_heads") for name in ("0.SelfAttention", "1.EncDecAttention"))
        encoder, decoder = super().stacks(config)
        return (
            Stack("encoder", encoder.path, own, encoder.roots[-1], depth=encoder.depth),
            Stack(
                "decoder", decoder.path, own, cross, decoder.roots[-1], depth=decoder.depth, own_depth=("num_layers",)
            ),
        )


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return UMT5
