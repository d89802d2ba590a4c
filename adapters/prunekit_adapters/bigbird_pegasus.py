"""BigBird-Pegasus: a Pegasus whose encoder attends in blocks."""

from transformers import PretrainedConfig

from prunekit import Adapter, Stack, ffn, heads, hookimpl

from .bart import Bart


class BigBirdPegasus(Bart):
    """BigBird-Pegasus: with block-sparse attention the encoder's heads are not pruned."""

    model_types = ("bigbird_pegasus",)

    def whole(self, config: PretrainedConfig) -> tuple[str, ...]:
        # for short inputs the model puts in a full attention that it builds from the config, dense again
        return () if config.attention_type == "original_full" else ("encoder.*.heads",)

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        inner = heads("self_attn.self.query", count="num_attention_heads", width="all_head_size")
        own = heads("self_attn.q_proj")
        cross = heads("encoder_attn.q_proj")
        return (
            Stack("encoder", "model.encoder.layers", inner, ffn("fc1")),
            Stack("decoder", "model.decoder.layers", own, cross, ffn("fc1")),
        )


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return BigBirdPegasus
