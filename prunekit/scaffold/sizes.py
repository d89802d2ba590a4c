"""Small configs of a model type: which config keys are sizes, and their values in a tiny model and in a skeleton."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from transformers import (
    CONFIG_MAPPING,
    AutoModelForSeq2SeqLM,
    AutoModelForSpeechSeq2Seq,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES,
)

from prunekit._support.suggest import hint
from prunekit.errors import PrunekitError

DEPTH = re.compile(r"(num_|n_)?(encoder_|decoder_)?(num_)?(hidden_)?layers")
HEADS = re.compile(r"(num_|n_)?(encoder_|decoder_)?(num_)?(attention_|attn_|key_value_)?heads?")
WIDTH = re.compile(r"d_model|hidden_size")
HEAD_WIDTH = re.compile(r"d_kv|head_dim")
FFN = re.compile(r"(encoder_|decoder_)?(ffn_dim|d_ff|intermediate_size)")
VOCABULARY = re.compile(r"(\w+_)?vocab_size")
POSITIONS = re.compile(r"max_(\w+_)?position(s|_embeddings)")


class Small(NamedTuple):
    """The values of a size: in a tiny model, where the decoder differs from the encoder, and in a skeleton.

    Example: feed-forward layers have 20 channels in a tiny model's encoder, 24 in its decoder, 12 and 20 in a skeleton.
    """

    tiny: int
    tiny_decoder: int
    skeleton: int
    skeleton_decoder: int


SMALL: Mapping[re.Pattern[str], Small] = {
    VOCABULARY: Small(60, 60, 24, 24),
    WIDTH: Small(32, 32, 16, 16),
    DEPTH: Small(3, 4, 2, 2),
    HEADS: Small(4, 4, 2, 4),
    HEAD_WIDTH: Small(6, 6, 4, 4),  # not the width by the heads: nothing may take one for the other
    FFN: Small(20, 24, 12, 20),
    POSITIONS: Small(40, 40, 16, 16),
}
"""Sizes by their keys' names; 60 tokens are as many as the kit's other tiny models have."""

TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
"""Special tokens that a vocabulary of 24 has."""

_NAMED = re.compile(r"forced_\w+_token_id|\w*suppress_tokens")
"""Keys that name tokens of the real vocabulary, and may name none."""

AUTO: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "AutoModelForSeq2SeqLM": (AutoModelForSeq2SeqLM, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES),
    "AutoModelForSpeechSeq2Seq": (AutoModelForSpeechSeq2Seq, MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES),
}
"""The Auto classes by name, with the model types that they know."""


class ModelKind(NamedTuple):
    """A model type as transformers knows it. Example: ``bart``, `BartConfig`, ``AutoModelForSeq2SeqLM``."""

    model_type: str
    config_class: type[PretrainedConfig]
    auto: str

    def sizes(self, column: str) -> dict[str, int]:
        """The sizes of the ``tiny`` model or the ``skeleton``, by their keys, in the config's order."""
        numbers = (key for key, value in self.config_class().to_dict().items() if isinstance(value, int))
        found = {key: small_of(key) for key in numbers}
        return {
            key: getattr(small, f"{column}_decoder" if "decoder" in key else column)
            for key, small in found.items()
            if small is not None
        }

    def tiny(self) -> dict[str, Any]:
        """The arguments of a tiny model's config: sizes, special tokens, and None for keys that name further tokens."""
        own = self.config_class().to_dict()
        named = {key: None for key in own if _NAMED.fullmatch(key) and own[key] is not None}
        return {**self.sizes("tiny"), **TOKENS, **named}

    def build(self, **changes: Any) -> PreTrainedModel:
        """The tiny model with some sizes changed, on `meta`."""
        with torch.device("meta"):
            model: PreTrainedModel = AUTO[self.auto][0].from_config(self.config_class(**{**self.tiny(), **changes}))
        return model


def small_of(key: str) -> Small | None:
    """The values of a config key; None if its name is not that of a size."""
    return next((small for pattern, small in SMALL.items() if pattern.fullmatch(key)), None)


def kind_of(model_type: str) -> ModelKind:
    """A model type as transformers knows it.

    Raises `PrunekitError` where it knows none of that name, where it has no encoder and decoder, where its config holds
    others, or where no Auto class makes it.
    """
    if model_type not in CONFIG_MAPPING:
        near = [name for name in known() if name[:1] == model_type[:1].lower()] or known()
        raise PrunekitError(f"transformers knows no model type {model_type!r}; {hint(model_type, near)}")
    config_class = CONFIG_MAPPING[model_type]
    if config_class.sub_configs:
        parts = ", ".join(config_class.sub_configs)
        raise PrunekitError(
            f"Models of type {model_type!r} are put together from several configs ({parts}), which is too much for a "
            "first draft; write the adapter by hand, as prunekit_adapters/encoder_decoder.py or t5gemma.py."
        )
    if not config_class().is_encoder_decoder:
        raise PrunekitError(f"Models of type {model_type!r} have no encoder and decoder; {hint(model_type, known())}")
    auto = next((name for name, (_, types) in AUTO.items() if model_type in types), None)
    if auto is None:
        raise PrunekitError(
            f"Neither {' nor '.join(AUTO)} of transformers makes models of type {model_type!r}; write the adapter by "
            "hand and name its model class as `auto_class`, as prunekit_adapters/encoder_decoder.py does."
        )
    return ModelKind(model_type, config_class, auto)


def known() -> list[str]:
    """The model types that an Auto class for encoder-decoders makes."""
    return sorted({name for _, types in AUTO.values() for name in types if name in CONFIG_MAPPING})
