"""``prunekit compare``: strategies, seeds and budgets side by side, from one recipe."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from prunekit.commands import options
from prunekit.commands.console import ERR, OUT

if TYPE_CHECKING:
    from prunekit.compare import Summary

HIDDEN_COLUMNS = ("sparsity", "examples", "loss per token")
"""Columns that would make the table too wide for a terminal, as those of further metrics; the files have them."""

WIDTH = 1000
"""More characters than any line needs: a line that is too long is better than one that is cut off."""


def compare(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE.yaml", help="base, variants, baselines, seeds, budgets, output.")
    ],
    only: Annotated[
        list[str] | None, typer.Option(metavar="VARIANT", help="Run only this variant; repeatable.")
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Run only at this budget, as 600cpu or 50000ex; repeatable."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time; with several, each on one thread.")] = 1,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE.md", help="Also put the tables between the markers in this document.")
    ] = None,
    output: Annotated[str | None, typer.Option(metavar="DIR", help="Where everything is written.")] = None,
    debug: options.Debug = False,
) -> None:
    """Compare variants of a run at equal cost, with the dense model trained further as a control.

    Finished runs are not repeated.
    The same command continues where it stopped, and retries what failed.
    """
    from prunekit.commands.progress import Display
    from prunekit.compare import Comparison
    from prunekit.compare import compare as compare_trials
    from prunekit.compare.execution import failed_trials
    from prunekit.compare.grid import select_trials

    comparison = Comparison.load(recipe, output)
    trials = select_trials(comparison, only or (), budget or ())
    with Display() as display:
        summary = compare_trials(comparison, command_text(recipe, output), trials, jobs, display)
    if summary is not None:
        _publish(summary, comparison.output, write)
    _exit_if_failed(failed_trials(comparison, trials))


def _exit_if_failed(reasons: Mapping[str, str]) -> None:
    """Print why each trial failed, and end with exit code 1 if any did."""
    for name, reason in reasons.items():
        ERR.print(Text.assemble(("error: ", "bold red"), (f"{name}: {reason}", "red")), soft_wrap=True)
    if reasons:
        raise typer.Exit(1)


def command_text(recipe: Path, output: str | None) -> str:
    """The command as it may stand beside the figures: without a path that leads out of the current directory."""
    inside = recipe.resolve().is_relative_to(Path.cwd())
    path = os.path.relpath(recipe) if inside else recipe.name
    return f"prunekit compare {path}" + (f" --output {output}" if output and not Path(output).is_absolute() else "")


def _publish(summary: "Summary", output: str, document: Path | None) -> None:
    """Print the tables, and put them into the document if there is one."""
    from prunekit.compare.output import insert_tables

    show_tables(summary)
    ERR.print(f"\nWritten to {output}: the chart is in comparison.html.", soft_wrap=True)
    if document is not None:
        insert_tables(summary, document)


def show_tables(summary: "Summary") -> None:
    """Print every table, with its sentences."""
    from prunekit.compare.sentences import recommendation, table_heading
    from prunekit.compare.tables import column_names, table_cells

    wide = Console(file=OUT.file, width=max(OUT.width, WIDTH), highlight=False)
    hidden = (*HIDDEN_COLUMNS, *summary.dense.others)
    for table in summary.tables:
        heading = table_heading(table.limits)
        grid = Table(title=heading, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        names = column_names(summary, table)
        shown = [number for number, name in enumerate(names) if name not in hidden]
        for number in shown:
            grid.add_column(names[number], justify="right" if number else "left", header_style="dim", no_wrap=True)
        for row in table_cells(summary, table):
            grid.add_row(*(row[number] for number in shown))
        wide.print(grid, crop=False)
        for sentence in recommendation(summary, table):
            OUT.print(sentence, markup=False, soft_wrap=True)
        OUT.print()
