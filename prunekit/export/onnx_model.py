"""A model that was exported to ONNX, with the `generate` of transformers: greedy, beams, sampling."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    DynamicCache,
    EncoderDecoderCache,
    GenerationConfig,
    GenerationMixin,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.cache_utils import DynamicLayer
from transformers.modeling_outputs import Seq2SeqLMOutput
from transformers.utils.generic import ModelOutput

from prunekit.errors import PrunekitError, error_line
from prunekit.export.onnx_graphs import CACHE, set_cached
from prunekit.export.to_onnx import DECODER, ENCODER, onnx_library


def from_onnx(
    directory: Path | str, threads: int | None = None, providers: Sequence[str] = ("CPUExecutionProvider",)
) -> "OnnxModel":
    """Open a directory that ``prunekit export --to onnx`` wrote.

    ``from_onnx("fast/").generate(**tokenizer("a text", return_tensors="pt"), num_beams=4)`` gives the tokens that the
    pruned model gives. `threads` None takes all cores; `providers` are ONNX Runtime's. Raises `PrunekitError` where
    files are missing or damaged, or the packages are not installed.
    """
    onnx_library()
    import onnxruntime

    folder = Path(directory)
    for name in ("config.json", "generation_config.json", ENCODER, DECODER):
        if not (folder / name).is_file():
            raise PrunekitError(f"{str(directory)!r} holds no model that was exported to ONNX: it has no {name}.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 4  # errors are raised, so they need not be printed too
    try:
        encoder = onnxruntime.InferenceSession(folder / ENCODER, options, providers=list(providers))
        decoder = onnxruntime.InferenceSession(folder / DECODER, options, providers=list(providers))
    except Exception as error:  # ONNX Runtime's errors share no ancestor
        raise PrunekitError(f"ONNX Runtime cannot open {str(directory)!r}: {error_line(error, 300)}") from error
    config = AutoConfig.from_pretrained(folder)
    return OnnxModel(config, GenerationConfig.from_pretrained(folder), encoder, decoder)


class OnnxModel(PreTrainedModel, GenerationMixin):  # type: ignore[no-untyped-call]
    """An encoder-decoder whose weights lie in two sessions of ONNX Runtime, the second one fed with its own past.

    Keys and values of the encoder's states come with the encoder's output, once for an input. Caches hold only the
    decoder's own.
    """

    main_input_name = "input_ids"

    def __init__(self, config: PretrainedConfig, generation_config: GenerationConfig, encoder: Any, decoder: Any):
        super().__init__(config)
        self.generation_config = generation_config
        self.encoder = OnnxEncoder(encoder)
        self.session = decoder
        self.past = {each.name: each.shape for each in decoder.get_inputs() if each.name.startswith("past.")}

    @property
    def device(self) -> torch.device:
        """The device of inputs and outputs, wherever the sessions compute."""
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """The precision of logits."""
        return torch.float32

    def get_encoder(self, modality: str | None = None) -> Any:
        """What `generate` runs once for an input."""
        return self.encoder

    def save_pretrained(self, *args: Any, **kwargs: Any) -> None:
        """Refused: torch has no weights here."""
        raise PrunekitError("A model that was exported to ONNX is not saved again; copy its directory.")

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        cache: Any = None,
        past_key_values: Any = None,
        use_cache: bool = True,
        return_dict: bool = True,
    ) -> Seq2SeqLMOutput:
        """Logits [batch, tokens, vocabulary] of `decoder_input_ids`, which follow the tokens that a cache holds.

        `past_key_values` is the name of the cache in earlier versions of transformers. Raises `PrunekitError` for what
        the graphs do not take: a static cache, a mask of the target.
        """
        encoded = self.encoder(input_ids, attention_mask) if encoder_outputs is None else encoder_outputs
        states = encoded["last_hidden_state"]
        mask = _ones(states) if attention_mask is None else attention_mask
        cache = past_key_values if cache is None else cache
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache()) if cache is None else cache
        if cache.is_compileable or decoder_attention_mask is not None:
            raise PrunekitError(
                "A model that was exported to ONNX works with the dynamic cache and masks nothing of the target; leave "
                "cache_implementation and decoder_attention_mask out."
            )
        layers = cache.self_attention_cache.layers
        given = {**encoded, "attention_mask": mask, "decoder_input_ids": decoder_input_ids}
        found = _run(self.session, {**given, **self._recalled(layers, len(states))})
        self._keep(layers, found)
        return Seq2SeqLMOutput(
            logits=found["logits"], encoder_last_hidden_state=states, **{CACHE: cache if use_cache else None}
        )

    def _recalled(self, layers: Sequence[Any], rows: int) -> dict[str, Tensor]:
        """The past by name; one of no tokens before the first step."""
        found = {}
        for name, (_, heads, _, size) in self.past.items():
            _, number, part = name.split(".")
            layer = layers[int(number)] if int(number) < len(layers) else None
            known = layer is not None and layer.is_initialized
            found[name] = getattr(layer, f"{part}s") if known else torch.zeros(rows, heads, 0, size)
        return found

    def _keep(self, layers: list[Any], found: Mapping[str, Tensor]) -> None:
        """Store the new past in a cache, for the next step and for beams to be reordered."""
        for number in sorted({int(name.split(".")[1]) for name in self.past}):
            while len(layers) <= number:
                layers.append(DynamicLayer())  # type: ignore[no-untyped-call]
            set_cached(layers[number], found[f"present.{number}.key"], found[f"present.{number}.value"])


class OnnxEncoder(nn.Module):
    """The graph that encodes an input."""

    main_input_name = "input_ids"

    def __init__(self, session: Any):
        super().__init__()
        self.session = session

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **unused: Any) -> ModelOutput:
        """Hidden states and, by name, keys and values [batch, heads, source, head size] for the decoder's layers."""
        mask = _ones(input_ids) if attention_mask is None else attention_mask
        found = _run(self.session, {"input_ids": input_ids, "attention_mask": mask})
        return ModelOutput(found)  # type: ignore[no-untyped-call]


def _ones(rows: Tensor) -> Tensor:
    return torch.ones(rows.shape[:2], dtype=torch.long)


def _run(session: Any, tensors: Mapping[str, Any]) -> dict[str, Tensor]:
    """The outputs of a graph for those tensors that it takes, by name."""
    names = [each.name for each in session.get_outputs()]
    found = session.run(names, {each.name: tensors[each.name].numpy() for each in session.get_inputs()})
    return {name: torch.from_numpy(array) for name, array in zip(names, found, strict=True)}
