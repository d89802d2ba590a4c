"""``prunekit export``: a pruned model for programs that know only stock architectures."""

from pathlib import Path
from typing import Annotated

import typer

from prunekit.commands import directories, options
from prunekit.commands.console import OUT
from prunekit.export.formats import ExportFormat


def export(
    model: Annotated[
        str,
        typer.Argument(metavar="DIR", help="A directory with a pruned model; for an engine a dense one does too."),
    ],
    to: Annotated[
        ExportFormat,
        typer.Option(
            "--to",
            help="plain: the stock architecture, with zeros for removed heads and channels; ctranslate2, onnx: for "
            "these engines, as narrow as the model is.",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where to write the result; must not exist.")],
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
    from prunekit.export.export import check_exportable, export_model
    from prunekit.loading.pretrained import graph_of, located, open_config, open_model, open_tokenizer
    from prunekit.loading.structure import adapter_for

    directories.check_output(output)
    directory = located(model)
    config = open_config(directory)
    check_exportable(config, to)
    _, known = adapter_for(config, adapter)
    tokenizer = open_tokenizer(directory) if to is ExportFormat.CTRANSLATE2 else None
    dtype = directories.saved_dtype(config) if to is ExportFormat.PLAIN else torch.float32
    with Display(), directories.derived_directory(directory, output) as draft:
        small = open_model(directory, config, known, dtype)
        found = export_model(small, known, graph_of(small, known), draft, to, tokenizer, quantization)
    OUT.print(f"{output}: {found.describe()}", soft_wrap=True)
