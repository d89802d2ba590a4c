"""BART and the types that share its structure: mBART, PLBart, Pegasus, Marian, M2M-100 and NLLB, Blenderbot."""

from collections.abc import Mapping
from typing import Any, ClassVar

from transformers import PretrainedConfig, PreTrainedModel

from prunekit import Adapter, Stack, ffn, heads, hookimpl

ALIKE = ("plbart", "mvp", "blenderbot")
"""Types that CTranslate2 does not know, and reads as BART."""


class Bart(Adapter):
    """BART, mBART, PLBart, Pegasus, Marian, NLLB, Blenderbot: naming the roots is enough."""

    model_types: ClassVar[tuple[str, ...]] = (
        "bart",
        "mbart",
        "plbart",
        "pegasus",
        "marian",
        "m2m_100",
        "blenderbot",
        "blenderbot-small",
    )
    skeleton_sizes = {**Adapter.skeleton_sizes, "decoder_vocab_size": 24}

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        own = heads("self_attn.q_proj")
        cross = heads("encoder_attn.q_proj")
        return (
            Stack("encoder", "model.encoder.layers", own, ffn("fc1")),
            Stack("decoder", "model.decoder.layers", own, cross, ffn("fc1")),
        )

    def ctranslate2(self, model: PreTrainedModel, loaders: Mapping[str, Any]) -> Any:
        config = model.config
        encoder = model.get_encoder()
        config.normalize_before = hasattr(encoder, "layer_norm")  # the loader reads keys that configs no longer have
        config.normalize_embedding = hasattr(encoder, "layernorm_embedding")
        return loaders["BartConfig"] if config.model_type in ALIKE else super().ctranslate2(model, loaders)


@hookimpl
def prunekit_adapter() -> type[Adapter]:
    return Bart
