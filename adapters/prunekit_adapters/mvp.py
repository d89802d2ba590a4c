"""MVP: a BART whose attentions know the width of all their heads together."""

from transformers import PretrainedConfig

from prunekit import Adapter, Stack, ffn, heads, hookimpl

from .bart import Bart


class Mvp(Bart):
    """MVP without prompts: those couple the heads of all layers."""

    model_types = ("mvp",)

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        own, cross = (heads(f"{name}.q_proj", width="embed_dim") for name in ("self_attn", "encoder_attn"))
        return (
            Stack("encoder", "model.encoder.layers", own, ffn("fc1")),
            Stack("decoder", "model.decoder.layers", own, cross, ffn("fc1")),
        )


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return Mvp
