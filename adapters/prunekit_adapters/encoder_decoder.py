"""Encoder-decoders put together from two models of other families: bert2bert."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor
from transformers import PretrainedConfig

from prunekit import Adapter, PrunekitError, Root, Stack, ffn, heads, hookimpl

BERT_SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
OWN, CROSS = (heads(f"{name}.self.query", count="num_attention_heads") for name in ("attention", "crossattention"))
CHANNELS = ffn("intermediate.dense")


class EncoderDecoder(Adapter):
    """bert2bert: a config for each half, and a projection between the two where they differ in width."""

    model_types: ClassVar[tuple[str, ...]] = ("encoder-decoder",)
    unused = ("encoder.pooler",)
    skeleton_sizes = {}
    encoder_sizes: ClassVar[Mapping[str, int]] = BERT_SIZES
    decoder_sizes: ClassVar[Mapping[str, int]] = {**BERT_SIZES, "vocab_size": 24}
    halves: ClassVar[Mapping[str, tuple[str, ...]]] = {"encoder": ("bert",), "decoder": ("bert",)}

    def head_size(self, config: PretrainedConfig, stack: str) -> int:
        own = getattr(config, stack)
        return int(own.hidden_size // own.num_attention_heads)

    def skeleton(self, config: PretrainedConfig) -> PretrainedConfig:
        for half, known in self.halves.items():
            kind = getattr(config, half).model_type
            if kind not in known:
                raise PrunekitError(
                    f"The {half} of this {config.model_type} is of type {kind!r}, of which this adapter knows "
                    f"{' and '.join(known)} only, so it cannot be pruned; write an adapter for it (adapters/README.md)."
                )
        small = super().skeleton(config)
        for half, sizes in (("encoder", self.encoder_sizes), ("decoder", self.decoder_sizes)):
            for key, value in sizes.items():
                setattr(getattr(small, half), key, value)
        if config.encoder.hidden_size != config.decoder.hidden_size:
            small.decoder.hidden_size = 24
        return small

    def encoder_inputs(self, config: PretrainedConfig, rows: int) -> dict[str, Tensor]:
        return super().encoder_inputs(config.encoder, rows)

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        return (
            self.stack("encoder", "encoder.encoder.layer", OWN, CHANNELS),
            self.stack("decoder", "decoder.bert.encoder.layer", OWN, CROSS, CHANNELS),
        )

    def stack(self, name: str, path: str, *roots: Root, depth: str = "num_hidden_layers") -> Stack:
        return Stack(name, path, *roots, depth=(f"{name}.{depth}",), owner=name)


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return EncoderDecoder
