"""Options that commands share, and the recipe keys that they stand for."""

import logging
import os
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from prunekit.commands.console import StderrHandler
from prunekit.errors import PrunekitError

MODEL_PANEL = "Model"
DATA_PANEL = "Data"
METHOD_PANEL = "Method"
"""Headings of the help pages."""


def configure_output(context: typer.Context, debug: bool) -> bool:
    """Without ``--debug``, silence the messages of other libraries; must run before they are imported."""
    context.meta["prunekit.debug"] = debug
    logging.getLogger("prunekit").setLevel(logging.DEBUG if debug else logging.INFO)
    logging.getLogger("prunekit").handlers = [StderrHandler()]
    if not debug:
        warnings.simplefilter("ignore")
        for name in ("TRANSFORMERS_VERBOSITY", "DATASETS_VERBOSITY"):
            os.environ.setdefault(name, "error")
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return debug


def given_keys(**flags: Any) -> dict[str, Any]:
    """The flags that were given, as keys of a recipe."""
    return {name: value for name, value in flags.items() if value is not None}


def task_section(**flags: str | None) -> dict[str, Any]:
    """The flags about data as the recipe's key ``task``; an empty dict if none was given."""
    keys = given_keys(**flags)
    return {"task": keys} if keys else {}


def parse_layers(text: str) -> Any:
    """``3`` as a number, ``0,5,11`` as a list of numbers; anything else is returned as YAML reads it."""
    return yaml.safe_load(f"[{text}]" if "," in text and not text.startswith("[") else text)


def parse_workload(text: str) -> dict[str, Any]:
    """``batch=1,source=512`` as a dict; the recipe checks its keys and values."""
    pairs = [part.partition("=") for part in text.split(",")]
    if any(not name.strip() or not equals for name, equals, _ in pairs):
        raise PrunekitError(f"A workload is written batch=1,source=512,new_tokens=64,beams=4, not {text!r}.")
    return {name.strip(): yaml.safe_load(value) for name, _, value in pairs}


def _text_option(help: str, metavar: str, panel: str | None = None, *names: str) -> Any:
    """An option that takes a text."""
    return typer.Option(*names, metavar=metavar, help=help, rich_help_panel=panel)


OutputDirectory = Annotated[str | None, typer.Option(metavar="DIR", help="The run directory; by default outputs/run.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only look at model and data, and say what the run will come to.")
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        help="Show tracebacks and the messages of other libraries.",
        callback=configure_output,
        is_eager=True,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set any key of the recipe, like training.batch=32; repeatable."),
]

Model = Annotated[
    str | None,
    _text_option("The dense model; without it and without data, the built-in example.", "DIR|HUB_ID", MODEL_PANEL),
]
Adapter = Annotated[
    str | None,
    _text_option(
        "The architecture's adapter (`prunekit list adapters`); by default found by the model's type.",
        "NAME",
        MODEL_PANEL,
    ),
]

Task = Annotated[
    str | None,
    _text_option("A task by name (`prunekit list tasks`), instead of files; asr takes both.", "NAME", DATA_PANEL),
]
Train = Annotated[
    str | None, _text_option("Training rows: JSONL, CSV, TSV, Parquet or a data set id.", "FILE", DATA_PANEL)
]
Eval = Annotated[
    str | None,
    _text_option("Validation rows, by which layers and checkpoints are chosen.", "FILE", DATA_PANEL, "--eval"),
]
Test = Annotated[str | None, _text_option("Rows for the report; by default those of --eval.", "FILE", DATA_PANEL)]
Source = Annotated[str | None, _text_option("The column with the model's inputs.", "COL", DATA_PANEL)]
Target = Annotated[str | None, _text_option("The column with the right outputs.", "COL", DATA_PANEL)]
Metric = Annotated[
    str | None,
    _text_option(
        "bleu, cer, chrf, exact_match, per, rouge1, rouge2, rougeL, wer "
        "or a plugin's (`prunekit list metrics`); of several (a,b) the first is the headline.",
        "NAME",
        DATA_PANEL,
    ),
]
Prefix = Annotated[str | None, _text_option("A text before every source.", "TEXT", DATA_PANEL)]

Strategy = Annotated[
    str | None, _text_option("The pruning method (`prunekit list strategies`); by default nash.", "NAME", METHOD_PANEL)
]
DecoderLayers = Annotated[
    str | None,
    _text_option("Decoder layers to keep: how many (3), or which (0,5,11).", "K", METHOD_PANEL),
]
EncoderSparsity = Annotated[
    float | None,
    typer.Option(
        metavar="S",
        help="Share of the encoder's heads and FFN channels to remove, from 0 to below 1.",
        rich_help_panel=METHOD_PANEL,
    ),
]
TargetSpeedup = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Remove as little as makes --workload X times as fast.",
        rich_help_panel=METHOD_PANEL,
    ),
]
Workload = Annotated[
    str | None,
    _text_option(
        "The generation to speed up or time: batch=1,source=128,new_tokens=32,beams=1.", "KEY=N,...", METHOD_PANEL
    ),
]
Vocabulary = Annotated[
    str | None,
    _text_option(
        "Keep only the tokens that the training rows use, or those of a text file.", "task|FILE", METHOD_PANEL
    ),
]
Plan = Annotated[str | None, _text_option("Cut to this plan.json instead of a strategy's plan.", "FILE", METHOD_PANEL)]

NewOutput = Annotated[Path, typer.Option("--output", metavar="DIR", help="The result; must not exist yet.")]
