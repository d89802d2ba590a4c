"""SeamlessM4T from text to text: BART's layers under other names."""

from prunekit import Adapter, Stack, ffn, heads, hookimpl


class Seamless(Adapter):
    """SeamlessM4T, text to text: naming the roots and the size of a head is enough."""

    model_types = ("seamless_m4t",)
    skeleton_sizes = {**Adapter.skeleton_sizes, "hidden_size": 16}

    def head_size(self, config, stack):
        return config.hidden_size // getattr(config, f"{stack}_attention_heads")

    def stacks(self, config):
        own, cross, matrix = heads("self_attn.q_proj"), heads("cross_attention.q_proj"), ffn("ffn.fc1")
        encoder = Stack("encoder", "text_encoder.layers", own, matrix)
        return encoder, Stack("decoder", "text_decoder.layers", own, cross, matrix)


@hookimpl
def prunekit_adapter():
    return Seamless
