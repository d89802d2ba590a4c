"""Exports: write a pruned model in a form that other programs read, and check that it computes the same."""

from functools import partial
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from prunekit.errors import PrunekitError
from prunekit.export import to_ctranslate2, to_onnx, to_plain
from prunekit.export.ctranslate2_parity import check_ctranslate2
from prunekit.export.formats import ExportFormat
from prunekit.export.onnx_parity import check_onnx
from prunekit.export.parity import Parity, check_parity
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph


def check_exportable(config: PretrainedConfig, to: ExportFormat) -> None:
    """Raise `PrunekitError` for a dense model that is to become a stock one, which it is already."""
    if to is ExportFormat.PLAIN and not getattr(config, "prunekit", None):
        raise PrunekitError("This is not a pruned model, so it is a stock model already: there is nothing to export.")


def export_model(
    model: PreTrainedModel,
    adapter: Adapter,
    graph: DependencyGraph,
    directory: Path,
    to: ExportFormat,
    tokenizer: PreTrainedTokenizerBase | None = None,
    quantization: str = "float32",
    extractor: Any = None,
) -> Parity:
    """Write `model` into `directory` and return how it compares; `graph` describes the original.

    CTranslate2 needs the `tokenizer`, whose pieces it looks up itself. For a speech model the files that faster-whisper
    reads are written too: the tokenizer and, where it is given, the feature `extractor`. Raises `PrunekitError` where
    the format cannot express the model, or where what was written computes something else.
    """
    if to is ExportFormat.PLAIN:
        return _export_plain(model, adapter, graph, directory)
    if to is ExportFormat.ONNX:
        to_onnx.export_onnx(model, adapter, graph, directory, quantization)
        hints = partial(adapter.attention_hints, model.config)
        return check_onnx(model, directory, exact=quantization == "float32", hints=hints)
    if tokenizer is None:
        raise PrunekitError("An export to CTranslate2 needs the model's tokenizer.")
    for kind in dict.fromkeys(("float32", quantization)):  # rounded weights prove nothing, so exact ones come first
        vocabulary = to_ctranslate2.export_ctranslate2(model, adapter, graph, tokenizer, directory, kind)
        found = check_ctranslate2(model, adapter, directory, vocabulary, exact=kind == "float32")
    if model.main_input_name != "input_ids":
        _write_speech_files(directory, tokenizer, extractor)
    return found


def _write_speech_files(directory: Path, tokenizer: Any, extractor: Any) -> None:
    """``tokenizer.json`` and ``preprocessor_config.json``, which transformers may keep in other files."""
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.save(str(directory / "tokenizer.json"))
    if extractor is not None:
        extractor.save_pretrained(directory)


def _export_plain(model: PreTrainedModel, adapter: Adapter, graph: DependencyGraph, directory: Path) -> Parity:
    stock = to_plain.padded_model(model, adapter, graph)
    found = check_parity(model, stock, adapter)
    stock.save_pretrained(directory)
    return found
