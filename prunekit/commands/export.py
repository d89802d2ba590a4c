"""``prunekit export``: a pruned model for programs that know only stock architectures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prunekit.commands import directories, options
from prunekit.commands.console import OUT
from prunekit.export.formats import ExportFormat

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TO = (
    "plain: the stock architecture, with zeros for removed heads and channels; ctranslate2, onnx: for these engines, "
    "as narrow as the pruned model."
)


def export(
    model: Annotated[str, typer.Argument(metavar="DIR", help="A pruned model; for an engine, a dense one too.")],
    to: Annotated[ExportFormat, typer.Option("--to", help=TO)],
    output: options.NewOutput,
    quantization: Annotated[
        str, typer.Option(metavar="TYPE", help="The engine's weights: float32 or int8; ctranslate2 takes more.")
    ] = "float32",
    adapter: options.Adapter = None,
    debug: options.Debug = False,
) -> None:
    """Write a pruned model in another format, and prove that it computes the same.

    The plain format opens everywhere. It keeps the speed-up of dropped layers, but not that of narrower ones.
    """
    import torch

    from prunekit.commands.progress import Display
    from prunekit.export.export import check_exportable, export_model
    from prunekit.export.export_notes import export_notes
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
        extractor = _extractor(directory, small, to)
        found = export_model(small, known, graph_of(small, known), draft, to, tokenizer, quantization, extractor)
    OUT.print(f"{output}: {found.describe()}", soft_wrap=True)
    for note in export_notes(small, to, tokenizer, extractor):
        OUT.print(note, soft_wrap=True, markup=False)


def _extractor(directory: Path, model: "PreTrainedModel", to: ExportFormat) -> Any:
    """The feature extractor that is written beside a speech model for CTranslate2; None where none was saved."""
    from prunekit.loading.pretrained import open_extractor

    hears = to is ExportFormat.CTRANSLATE2 and model.main_input_name == "input_features"
    saved = any((directory / name).is_file() for name in ("preprocessor_config.json", "processor_config.json"))
    return open_extractor(directory) if hears and saved else None
