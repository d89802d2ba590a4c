"""A pruned model for ONNX Runtime: one graph that encodes an input, once, and one that predicts the next tokens.

The graphs have the shapes of the cut model, layer by layer, so nothing is padded. A trace can take a length for a
constant, so an export counts only once it was compared with the model at several lengths
(`prunekit.export.onnx_parity`).
"""

import copy
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from prunekit.cut.checkpoint import dense_config, plan_of
from prunekit.cut.layout_compiler import cut_config
from prunekit.cut.pruned_model import Pruned, stock_class
from prunekit.errors import PrunekitError, error_line
from prunekit.export.onnx_graphs import TOKENS, DecoderGraph, EncoderGraph, observe_cache
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph
from prunekit.find.plan import PruningPlan

OPSET = 18
"""The oldest operators that torch's exporter writes: more engines know them."""

QUANTIZATIONS = ("float32", "int8")
ENCODER = "encoder.onnx"
DECODER = "decoder.onnx"

AXES: Mapping[str, dict[int, str]] = {
    "input_ids": {0: "batch", 1: "source"},
    "attention_mask": {0: "batch", 1: "source"},
    "last_hidden_state": {0: "batch", 1: "source"},
    "decoder_input_ids": {0: "batch", 1: "tokens"},
    "logits": {0: "batch", 1: "tokens"},
    "cross": {0: "batch", 2: "source"},
    "past": {0: "batch", 2: "past"},
    "present": {0: "batch", 2: "present"},
}
"""Which dimensions of inputs and outputs vary, by the first part of their names."""


def export_onnx(
    model: PreTrainedModel, adapter: Adapter, graph: DependencyGraph, directory: Path, quantization: str = "float32"
) -> None:
    """Write the graphs and configs of `model`, in float32; `graph` describes the original.

    ``encoder.onnx`` makes of `input_ids` and `attention_mask` [batch, source] the hidden states and, for every decoder
    layer that has any, ``cross.N.key`` and ``cross.N.value`` [batch, heads, source, head size]. ``decoder.onnx`` makes
    of these, the mask, `decoder_input_ids` [batch, tokens] and ``past.N.key`` and ``past.N.value`` [batch, heads, past,
    head size], with a past of 0 at first, the `logits` and as many ``present`` tensors, which are the next step's past.

    With the `quantization` ``int8`` matrices have weights of one byte. Raises `PrunekitError` for another one, for
    models that read no text, and for what torch cannot trace.
    """
    onnx_library()
    if quantization not in QUANTIZATIONS:
        raise PrunekitError(f"An export to ONNX has no quantization {quantization!r}; take float32 or int8.")
    if model.main_input_name != "input_ids":
        raise PrunekitError(
            f"Only models that read text are exported to ONNX, and a {type(model).__name__} reads "
            f"{model.main_input_name}; export it with --to plain."
        )
    directory.mkdir(parents=True, exist_ok=True)
    traced = _eager(model)
    hints = partial(adapter.attention_hints, model.config)
    try:
        example = adapter.encoder_inputs(model.config, 2)
        inputs = {key: example[key] for key in ("input_ids", "attention_mask")}
        found = observe_cache(traced, {**inputs, **hints(inputs)})
        given = {"decoder_input_ids": TOKENS, "attention_mask": inputs["attention_mask"]}
        given |= dict(zip([*found.names("cross"), *found.names("past")], found.tensors, strict=True))
        outputs = [["last_hidden_state", *found.names("cross")], ["logits", *found.names("present")]]
        _trace(EncoderGraph(traced, hints), inputs, outputs[0], directory / ENCODER, quantization)
        _trace(DecoderGraph(traced, found), given, outputs[1], directory / DECODER, quantization)
    except Exception as error:  # whatever a model raises that was not made to be traced
        reason = error_line(error.__cause__ or error, 160)  # the exporter wraps what it met in advice
        raise PrunekitError(
            f"A {type(model).__name__} cannot be traced for ONNX ({reason}); export it with --to plain."
        ) from error
    _configs(model, adapter, graph, directory)


def onnx_library() -> Any:
    """The package onnx; raises `PrunekitError` where it or ONNX Runtime is not installed."""
    try:
        import onnx
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise PrunekitError("This export needs onnx, onnxruntime and onnxscript; install 'prunekit[onnx]'.") from error
    return onnx


def _eager(model: Any) -> Any:
    """A copy in float32 whose attention is written out in plain operations."""
    copied = copy.deepcopy(model).float().eval()
    copied.set_attn_implementation("eager")
    return copied


def _trace(
    module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], path: Path, quantization: str
) -> None:
    """Export `module` to `path`, and have the result checked."""
    shapes = [AXES[name.partition(".")[0]] for name in inputs]
    cached = [tuple(shapes[2:])] if shapes[2:] else []
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch, _quiet(), torch.no_grad():
        program: Any = torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=(*shapes[:2], *cached),
            opset_version=OPSET,
            verbose=False,
        )
        file = Path(scratch) / path.name
        _forget_origins(program.model)
        if quantization == "int8":
            _unshare(program.model)
        program.save(file)
        if quantization == "int8":
            _quantize(file)
        _gather(file, path)
    onnx_library().checker.check_model(str(path), full_check=True)


def _forget_origins(model: Any) -> None:
    """Drop what the exporter notes of every node, more than a small model's weights: lines of code, and whose files."""
    for each in (model, model.graph, *model.graph.all_nodes()):
        each.metadata_props.clear()


def _unshare(model: Any) -> None:
    """Store a matrix that two uses share, one of them transposed, twice: only what is stored gets smaller weights."""
    from onnxscript import optimizer

    optimizer.optimize(model, input_size_limit=sys.maxsize, output_size_limit=sys.maxsize)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of the exporter that a trace might be wrong: here it is compared with the model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _quantize(file: Path) -> None:
    """Give the matrices of a graph weights of one byte, each column with a scale of its own.

    Unsigned ones: products with signed ones overflow on processors without instructions for them.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    large = len(list(file.parent.iterdir())) > 1
    kinds = {"op_types_to_quantize": ["MatMul"], "weight_type": QuantType.QUInt8}
    logging.disable(logging.WARNING)  # it recommends a preparation that a traced graph does not need
    try:
        quantize_dynamic(file, file, per_channel=True, use_external_data_format=large, **kinds)
    finally:
        logging.disable(logging.NOTSET)


def _gather(file: Path, target: Path) -> None:
    """Move a graph to `target`; one of over two gigabytes has its weights in other files, which become a single one."""
    if len(list(file.parent.iterdir())) == 1:
        shutil.move(file, target)
    else:
        onnx = onnx_library()
        weights = target.with_name(f"{target.name}.data")
        onnx.save_model(onnx.load(file), target, save_as_external_data=True, location=weights.name)
        shutil.copymode(target, weights)  # onnx hides it from everybody else


def _configs(model: PreTrainedModel, adapter: Adapter, graph: DependencyGraph, directory: Path) -> None:
    """Write what `generate` asks of a model: the stock config, with the kept layers, and the generation config."""
    config = cut_config(adapter, dense_config(model.config), graph.groups, plan_of(model) or PruningPlan())
    config.architectures = [(stock_class(type(model)) if isinstance(model, Pruned) else type(model)).__name__]
    config.dtype = torch.float32
    config.save_pretrained(directory)
    cast(Any, model).generation_config.save_pretrained(directory)
