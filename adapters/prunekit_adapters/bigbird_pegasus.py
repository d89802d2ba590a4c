"""BigBird-Pegasus: a Pegasus whose encoder attends in blocks."""

from prunekit import Stack, ffn, heads, hookimpl

from .bart import Bart


class BigBirdPegasus(Bart):
    """BigBird-Pegasus: with block-sparse attention the encoder's heads stay whole."""

    model_types = ("bigbird_pegasus",)

    def whole(self, config):
        # for short inputs the model puts in a full attention that it builds from the config, dense again
        return () if config.attention_type == "original_full" else ("encoder.*.heads",)

    def stacks(self, config):
        inner = heads("self_attn.self.query", count="num_attention_heads", width="all_head_size")
        own, cross = heads("self_attn.q_proj"), heads("encoder_attn.q_proj")
        return (
            Stack("encoder", "model.encoder.layers", inner, ffn("fc1")),
            Stack("decoder", "model.decoder.layers", own, cross, ffn("fc1")),
        )


@hookimpl
def prunekit_adapter():
    return BigBirdPegasus
