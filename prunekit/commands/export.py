"""``prunekit export``: a pruned model for programs that know only stock architectures."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunekit.commands import directories, options
from prunekit.commands.console import OUT

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from prunekit.export.parity import Parity
    from prunekit.find.adapter import Adapter
    from prunekit.find.graph import DependencyGraph


class Format(StrEnum):
    """What the result is."""

    PLAIN = "plain"
    CTRANSLATE2 = "ctranslate2"
    ONNX = "onnx"


def export(
    model: Annotated[
        str,
        typer.Argument(metavar="DIR", help="A directory with a pruned model; for an engine a dense one does too."),
    ],
    to: Annotated[
        Format,
        typer.Option(
            "--to",
            help="plain: the stock architecture, with zeros where heads and channels went; ctranslate2, onnx: for "
            "these engines, as narrow as the model is.",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where the result goes; must not exist.")],
    quantization: Annotated[
        str, typer.Option(metavar="TYPE", help="An engine's weights: float32, int8; ctranslate2 knows more.")
    ] = "float32",
    adapter: options.Adapter = None,
    debug: options.Debug = False,
) -> None:
    """Write a pruned model in another form, and prove that it computes the same.

    The plain form opens everywhere and keeps the speed of the dropped layers, not that of narrower ones.
    """
    import torch

    from prunekit.commands.progress import Display
    from prunekit.errors import PrunekitError
    from prunekit.loading.pretrained import graph_of, located, open_config, open_model
    from prunekit.loading.structure import adapter_for

    directories.check_output(output)
    directory = located(model)
    config = open_config(directory)
    if to is Format.PLAIN and not getattr(config, "prunekit", None):
        raise PrunekitError(f"{model!r} is not a pruned model, so it is as plain as it can be.")
    _, known = adapter_for(config, adapter)
    with Display(), directories.derived_directory(directory, output) as draft:
        precision = directories.saved_dtype(config)
        small = open_model(directory, config, known, precision if to is Format.PLAIN else torch.float32)
        graph = graph_of(small, known)
        if to is Format.PLAIN:
            found = _plain(small, known, graph, draft)
        elif to is Format.ONNX:
            found = _onnx(small, known, graph, draft, quantization)
        else:
            found = _ctranslate2(small, known, graph, directory, draft, quantization)
    OUT.print(f"{output}: {found.told()}", soft_wrap=True)


def _plain(model: "PreTrainedModel", adapter: "Adapter", graph: "DependencyGraph", draft: Path) -> "Parity":
    from prunekit.export.parity import check_parity
    from prunekit.export.to_plain import padded_model

    large = padded_model(model, adapter, graph)
    found = check_parity(model, large, adapter)
    large.save_pretrained(draft)
    return found


def _ctranslate2(
    model: "PreTrainedModel",
    adapter: "Adapter",
    graph: "DependencyGraph",
    directory: Path,
    draft: Path,
    quantization: str,
) -> "Parity":
    from prunekit.export import to_ctranslate2
    from prunekit.export.ctranslate2_parity import check_ctranslate2
    from prunekit.loading.pretrained import open_tokenizer

    tokenizer = open_tokenizer(directory)
    for kind in dict.fromkeys(("float32", quantization)):  # rounded weights prove nothing, so exact ones come first
        vocabulary = to_ctranslate2.export_ctranslate2(model, adapter, graph, tokenizer, draft, kind)
        found = check_ctranslate2(model, adapter, draft, vocabulary, exact=kind == "float32")
    return found


def _onnx(
    model: "PreTrainedModel", adapter: "Adapter", graph: "DependencyGraph", draft: Path, quantization: str
) -> "Parity":
    from prunekit.export import to_onnx
    from prunekit.export.onnx_parity import check_onnx

    to_onnx.export_onnx(model, adapter, graph, draft, quantization)
    return check_onnx(model, draft, exact=quantization == "float32")
