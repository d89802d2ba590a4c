"""Pegasus-X: a Pegasus for long inputs, whose encoder hands on global tokens beside the local ones."""

from prunekit import Stack, ffn, heads, hookimpl

from .bart import Bart


class PegasusX(Bart):
    """Pegasus-X: the encoder's attention is as wide as its input, so its heads and the hidden dimensions stay whole."""

    model_types = ("pegasus_x",)
    skeleton_sizes = {**Bart.skeleton_sizes, "block_size": 2, "num_global_tokens": 3}

    def whole(self, config):
        return ("encoder.*.heads", "*hidden")

    def stacks(self, config):
        own, cross = heads("self_attn.q_proj"), heads("encoder_attn.q_proj")
        return (
            Stack("encoder", "model.encoder.layers", own, ffn("fc1"), streams=2),
            Stack("decoder", "model.decoder.layers", own, cross, ffn("fc1")),
        )


@hookimpl
def prunekit_adapter():
    return PegasusX
