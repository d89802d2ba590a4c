"""Tiny models of the T5 and BART families, with weights so large that a wrong slice shows."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import nn
from transformers import BartConfig, MT5Config, PretrainedConfig, PreTrainedModel, T5Config

from prunekit import plugins
from prunekit.conformance.model_under_test import enlarge
from prunekit.find.adapter import Adapter

VOCABULARY = 60
"""Tokens of every tiny model; 0 to 2 are special in one family or another, 3 to 59 are words."""

T5_SIZES = {
    "d_model": 32,
    "d_kv": 6,  # 4 heads of 6 are 24, not d_model: nothing may take one for the other
    "num_heads": 4,
    "d_ff": 20,
    "num_layers": 3,
    "num_decoder_layers": 4,
    "decoder_layers": 4,
    "decoder_start_token_id": 0,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
}
BART_SIZES = {
    "d_model": 32,
    "encoder_layers": 3,
    "decoder_layers": 4,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 40,
}
_GATED = {"feed_forward_proj": "gated-gelu"}

_FAMILIES: Mapping[str, tuple[str, Callable[..., PretrainedConfig], Mapping[str, Any]]] = {
    "t5": ("t5", T5Config, T5_SIZES),
    "t5-gated": ("t5", T5Config, {**T5_SIZES, **_GATED}),
    "t5-gated-untied": ("t5", T5Config, {**T5_SIZES, **_GATED, "tie_word_embeddings": False}),
    "mt5": ("mt5", MT5Config, T5_SIZES),
    "bart": ("bart", BartConfig, BART_SIZES),
    "bart-scaled": ("bart", BartConfig, {**BART_SIZES, "scale_embedding": True}),
}

FAMILIES = tuple(_FAMILIES)
"""The names that `tiny` knows."""


class Tiny(NamedTuple):
    """A model of about 50,000 parameters on the CPU, with the adapter that fits it and its config."""

    adapter: Adapter
    config: PretrainedConfig
    model: PreTrainedModel


def tiny(family: str, seed: int = 0) -> Tiny:
    """A model of a family, in evaluation mode; the same seed gives the same weights.

    ``t5-gated-untied`` has an output matrix of its own, as v1.1 and Flan checkpoints do. The decoder is deeper than
    the encoder, and the two stacks of BART differ in width.
    """
    name, config_class, sizes = _FAMILIES[family]
    adapter: Adapter = plugins.load(plugins.ADAPTERS, name)()
    config = config_class(vocab_size=VOCABULARY, **sizes)
    model = adapter.build(config, "cpu")
    if family.endswith("-untied"):
        untie(model)
    enlarge(model, seed)
    model.train(False)
    return Tiny(adapter, config, model)


def untie(model: PreTrainedModel) -> None:
    """Give the output projection a matrix of its own."""
    live: Any = model
    head = live.get_output_embeddings()
    head.weight = nn.Parameter(head.weight.detach().clone())
