"""Pegasus-X: a Pegasus for long inputs, whose encoder passes on global tokens beside the local ones."""

from transformers import PretrainedConfig

from prunekit import Adapter, Stack, ffn, heads, hookimpl

from .bart import Bart


class PegasusX(Bart):
    """Pegasus-X: the encoder's attention is as wide as its input: its heads and hidden dimensions are not pruned."""

    model_types = ("pegasus_x",)
    skeleton_sizes = {**Bart.skeleton_sizes, "block_size": 2, "num_global_tokens": 3}

    def whole(self, config: PretrainedConfig) -> tuple[str, ...]:
        return ("encoder.*.heads", "*hidden")

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        own = heads("self_attn.q_proj")
        cross = heads("encoder_attn.q_proj")
        return (
            Stack("encoder", "model.encoder.layers", own, ffn("fc1"), streams=2),
            Stack("decoder", "model.decoder.layers", own, cross, ffn("fc1")),
        )


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return PegasusX
