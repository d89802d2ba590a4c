"""SeamlessM4T from text to text: BART's layers under other names."""

from prunekit import Adapter, Stack, ffn, heads, hookimpl
from transformers import PretrainedConfig


class Seamless(Adapter):
    """SeamlessM4T, text to text: naming the roots and the size of a head is enough."""

    model_types = ("seamless_m4t",)
    skeleton_sizes = {**Adapter.skeleton_sizes, "hidden_size": 16}

    def head_size(self, config: PretrainedConfig, stack: str) -> int:
        return int(config.hidden_size // getattr(config, f"{stack}_attention_heads"))

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        own = heads("self_attn.q_proj")
        cross = heads("cross_attention.q_proj")
        encoder = Stack("encoder", "text_encoder.layers", own, ffn("ffn.fc1"))
        return encoder, Stack("decoder", "text_decoder.layers", own, cross, ffn("ffn.fc1"))


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return Seamless
