"""The modules that are traced for ONNX: an encoder with the keys for the decoder, and a decoder with its past."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache
from transformers.cache_utils import DynamicLayer
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

from prunekit.data.processors import Hints, no_hints

CACHE = "cache" if "cache" in {field.name for field in fields(Seq2SeqLMOutput)} else "past_key_values"
"""What the installed transformers calls the cache, as an argument of models and in their outputs."""

TOKENS = torch.tensor([[3, 4, 5], [5, 4, 3]])
"""What a decoder is traced with: ordinary tokens in every vocabulary."""


@dataclass(frozen=True)
class CachedLayers:
    """What a decoder caches: the layers with keys and values, an example of these, and the width of the encoder.

    Example: with ``cross=(0, 2)`` layer 1 has no cross-attention any more.
    """

    cross: tuple[int, ...]
    own: tuple[int, ...]
    tensors: tuple[Tensor, ...]
    width: int

    def names(self, kind: str) -> list[str]:
        """``["past.0.key", "past.0.value", ...]`` for ``past``."""
        layers = self.cross if kind == "cross" else self.own
        return [f"{kind}.{layer}.{part}" for layer in layers for part in ("key", "value")]


def observe_cache(model: Any, inputs: Mapping[str, Tensor]) -> CachedLayers:
    """Run the model on two tokens of each input and see what it caches."""
    cache = _empty()
    with torch.no_grad():
        encoded = model.get_encoder()(**inputs)
        given = {"attention_mask": inputs["attention_mask"], "decoder_input_ids": TOKENS[:, 1:], CACHE: cache}
        model(encoder_outputs=encoded, **given)
    caches = (cache.cross_attention_cache, cache.self_attention_cache)
    cross, own = (tuple(n for n, layer in enumerate(each.layers) if layer.is_initialized) for each in caches)
    return CachedLayers(cross, own, tuple(tensor for each in caches for tensor in _tensors(each)), encoded[0].shape[-1])


class EncoderGraph(nn.Module):
    """The encoder, and the keys and values of its states: what the decoder would compute at its first step.

    What an architecture wants beside the input, `Adapter.attention_hints`, is computed in the graph, as it was in
    training.
    """

    def __init__(self, model: Any, hints: Hints = no_hints):
        super().__init__()
        self.model = model
        self.hints = hints

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """The rest of the decoder's run leads to no output, so the exporter leaves it out."""
        model: Any = self.model
        cache = _empty()
        given = {"input_ids": input_ids, "attention_mask": attention_mask}
        encoded = model.get_encoder()(**given, **self.hints(given))
        start = {"decoder_input_ids": torch.full_like(input_ids[:, :1], 3), CACHE: cache}
        model(encoder_outputs=encoded, attention_mask=attention_mask, use_cache=True, **start)
        return (encoded[0], *_tensors(cache.cross_attention_cache))


class DecoderGraph(nn.Module):
    """Some tokens after a past. The encoder's states are replaced by a tensor of their shape: their keys are cached."""

    def __init__(self, model: Any, cached: CachedLayers):
        super().__init__()
        self.model = model
        self.cached = cached

    def forward(self, decoder_input_ids: Tensor, attention_mask: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        """Logits, and keys and values of past and new tokens."""
        model: Any = self.model
        cache = _empty()
        count = 2 * len(self.cached.cross)
        _fill(cache.cross_attention_cache, self.cached.cross, past[:count])
        _fill(cache.self_attention_cache, self.cached.own, past[count:])
        cache.is_updated = dict.fromkeys(self.cached.cross, True)
        states: Any = attention_mask[..., None].to(torch.float32).expand(-1, -1, self.cached.width)
        encoded = BaseModelOutput(last_hidden_state=states)
        given = {"decoder_input_ids": decoder_input_ids, CACHE: cache}
        output = model(encoder_outputs=encoded, attention_mask=attention_mask, use_cache=True, **given)
        return (output.logits, *_tensors(cache.self_attention_cache))


def _empty() -> Any:
    return EncoderDecoderCache(DynamicCache(), DynamicCache())


def _tensors(cache: Any) -> Iterator[Tensor]:
    """Keys and values of one layer after the other."""
    return (tensor for layer in cache.layers if layer.is_initialized for tensor in (layer.keys, layer.values))


def _fill(cache: Any, numbers: Sequence[int], tensors: Sequence[Tensor]) -> None:
    """Put keys and values where the layers with these numbers look for them."""
    for _ in range(max(numbers, default=-1) + 1):
        cache.layers.append(DynamicLayer())  # type: ignore[no-untyped-call]
    for number, keys, values in zip(numbers, tensors[::2], tensors[1::2], strict=True):
        set_cached(cache.layers[number], keys, values)


def set_cached(layer: Any, keys: Tensor, values: Tensor) -> None:
    """Make `keys` and `values` [batch, heads, tokens, head size] the past of one layer of a cache."""
    layer.keys = keys
    layer.values = values
    layer.is_initialized = True
    layer.dtype = keys.dtype
    layer.device = keys.device
