"""BART: post-norm layers with biases, heads that divide d_model."""

from prunekit import Adapter, Stack, ffn, heads, hookimpl


class Bart(Adapter):
    """BART: tracing finds every coupling, so naming the roots is enough."""

    model_types = ("bart",)

    def stacks(self, config):
        own, cross = heads("self_attn.q_proj"), heads("encoder_attn.q_proj")
        return (
            Stack("encoder", "model.encoder.layers", own, ffn("fc1")),
            Stack("decoder", "model.decoder.layers", own, cross, ffn("fc1")),
        )


@hookimpl
def prunekit_adapter():
    return Bart
