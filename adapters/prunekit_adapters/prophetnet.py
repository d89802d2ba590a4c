"""ProphetNet and XLM-ProphetNet's structure: a decoder that predicts several tokens ahead."""

from transformers import PretrainedConfig

from prunekit import Adapter, Stack, ffn, heads, hookimpl


class ProphetNet(Adapter):
    """ProphetNet: masks are sized by the config's heads, so heads and hidden dimensions are not pruned."""

    model_types = ("prophetnet",)
    ahead = 1
    gathers = ("encoder.word_embeddings",)
    skeleton_sizes = {
        "hidden_size": 16,
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
        "num_encoder_attention_heads": 2,
        "num_decoder_attention_heads": 4,
        "encoder_ffn_dim": 12,
        "decoder_ffn_dim": 20,
        "max_position_embeddings": 16,
        "num_buckets": 8,
        "relative_max_distance": 12,
    }

    def whole(self, config: PretrainedConfig) -> tuple[str, ...]:
        return ("*.heads", "*hidden")

    def head_size(self, config: PretrainedConfig, stack: str) -> int:
        return int(config.hidden_size // getattr(config, f"num_{stack}_attention_heads"))

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        own, cross = (heads(f"{name}.query_proj", count="num_attn_heads") for name in ("self_attn", "cross_attn"))
        channels = ffn("feed_forward.intermediate")
        return (
            Stack("encoder", "prophetnet.encoder.layers", own, channels, depth=("num_encoder_layers",)),
            Stack("decoder", "prophetnet.decoder.layers", own, cross, channels, depth=("num_decoder_layers",)),
        )


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return ProphetNet
