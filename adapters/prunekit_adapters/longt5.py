"""LongT5: a T5 whose encoder attends locally, or locally and to transient global tokens."""

from transformers import PretrainedConfig

from prunekit import Adapter, FirstOwned, Stack, hookimpl

from .t5 import T5

TABLES = ("relative_attention_bias", "global_relative_attention_bias")


class LongT5(T5):
    """LongT5: the encoder's attentions pass on bias and mask in one tensor, so their heads are not pruned."""

    model_types = ("longt5",)
    keep = ("LocalSelfAttention", "TransientGlobalSelfAttention")
    skeleton_sizes = {**T5.skeleton_sizes, "local_radius": 1, "global_block_size": 4}

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        encoder, decoder = super().stacks(config)
        wide = config.encoder_attention_type == "transient-global"
        place = "layer.0.TransientGlobalSelfAttention" if wide else "layer.0.LocalSelfAttention"
        first = FirstOwned(place, TABLES if wide else TABLES[:1], flag="has_relative_attention_bias")
        return Stack("encoder", encoder.path, encoder.roots[-1], depth=encoder.depth, first=first), decoder


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return LongT5
