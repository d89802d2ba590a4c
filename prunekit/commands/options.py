"""Flags that several commands share, and what they amount to as keys of a recipe."""

import logging
import os
import warnings
from typing import Annotated, Any

import typer
import yaml

from prunekit.commands.console import Notes
from prunekit.errors import PrunekitError

WHAT, ON, HOW = "What", "On what", "How"
"""Panels of the help pages."""


def quiet(context: typer.Context, debug: bool) -> bool:
    """Unless told to debug, silence what other libraries say beside the point; must run before they are imported."""
    context.meta["prunekit.debug"] = debug
    logging.getLogger("prunekit").setLevel(logging.DEBUG if debug else logging.INFO)
    logging.getLogger("prunekit").handlers = [Notes()]
    if not debug:
        warnings.simplefilter("ignore")
        for name in ("TRANSFORMERS_VERBOSITY", "DATASETS_VERBOSITY"):
            os.environ.setdefault(name, "error")
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return debug


def listed(text: str) -> Any:
    """``3`` as a number, ``0,5,11`` as a list of numbers, anything else as it stands."""
    return yaml.safe_load(f"[{text}]" if "," in text and not text.startswith("[") else text)


def parsed(workload: str) -> dict[str, Any]:
    """``batch=1,source=512`` as keys and values; what they may be is the recipe's affair."""
    pairs = [part.partition("=") for part in workload.split(",")]
    if any(not name.strip() or not equals for name, equals, _ in pairs):
        raise PrunekitError(f"A workload is written batch=1,source=512,new_tokens=64,beams=4, not {workload!r}.")
    return {name.strip(): yaml.safe_load(value) for name, _, value in pairs}


Debug = Annotated[
    bool, typer.Option("--debug", help="Show other libraries' messages, and tracebacks.", callback=quiet, is_eager=True)
]
Adapter = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Architecture family, see `prunekit list adapters`; told from the model when left out.",
        rich_help_panel=WHAT,
    ),
]
Task = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A task by name, see `prunekit list tasks`: instead of files, or with them for `asr`.",
        rich_help_panel=ON,
    ),
]
Train = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Training rows: JSONL, CSV, TSV, Parquet or a data set id.", rich_help_panel=ON),
]
Eval = Annotated[str | None, typer.Option("--eval", metavar="FILE", help="Rows to choose on.", rich_help_panel=ON)]
Test = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Rows to report on; those of --eval when left out.", rich_help_panel=ON),
]
Source = Annotated[str | None, typer.Option(metavar="COL", help="The column that goes in.", rich_help_panel=ON)]
Target = Annotated[str | None, typer.Option(metavar="COL", help="The column that should come out.", rich_help_panel=ON)]
Metric = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="bleu, cer, chrf, exact_match, per, rouge1, rouge2, rougeL, wer or another of `prunekit list metrics`; "
        "of several (a,b) the first is the headline.",
        rich_help_panel=ON,
    ),
]
Prefix = Annotated[str | None, typer.Option(metavar="TEXT", help="Put before every source.", rich_help_panel=ON)]
Workload = Annotated[
    str | None,
    typer.Option(
        metavar="KEY=N,...",
        help="What is generated: batch=1,source=128,new_tokens=32,beams=1.",
        rich_help_panel=HOW,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any other key of a recipe, like training.batch=32; repeatable."),
]


def section(**flags: str | None) -> dict[str, Any]:
    """The task flags as the recipe's key ``task``; nothing where none was given."""
    return {"task": keys} if (keys := given(**flags)) else {}


def given(**flags: Any) -> dict[str, Any]:
    """The flags that were given."""
    return {name: value for name, value in flags.items() if value is not None}
