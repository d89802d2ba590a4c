"""``prunekit compare``: strategies, seeds and budgets side by side, from one recipe."""

import os
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

LEFT_OUT = ("sparsity", "examples", "loss per token")
"""Columns that would make the table too wide for a terminal, as those of further metrics; the files have them."""

WIDTH = 1000
"""Letters that no line needs: where a terminal has fewer, or where there is none, rather too long than cut off."""


def compare(
    recipe: Annotated[
        Path,
        typer.Argument(metavar="RECIPE.yaml", help="base, variants, baselines, seeds, budgets, output."),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="VARIANT", help="Make only this variant's runs; repeatable."),
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Make only the runs of this budget, as 600cpu or 50000ex; repeatable."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time; with several, each on one thread.")] = 1,
    write: Annotated[
        Path | None,
        typer.Option(metavar="FILE.md", help="Put the tables between the markers in this document, too."),
    ] = None,
    output: Annotated[str | None, typer.Option(metavar="DIR", help="Where everything goes.")] = None,
    debug: options.Debug = False,
) -> None:
    """Compare variants of a run at equal cost, with the dense model trained further as a control.

    Runs that are done are not made again: the same command goes on where it stopped, and tries again what failed.
    """
    from prunekit.commands.progress import Display
    from prunekit.compare import Comparison, compare
    from prunekit.compare.execution import failed_trials
    from prunekit.compare.html import insert_tables

    comparison = Comparison.load(recipe, output)
    cells = comparison.chosen(only or (), budget or ())
    with Display() as display:
        summary = compare(comparison, words(recipe, output), cells, jobs, display)
    if summary is not None:
        show(summary)
        ERR.print(f"\nWritten to {comparison.output}: the picture in comparison.html.", soft_wrap=True)
        if write is not None:
            insert_tables(summary, write)
    failed = failed_trials(comparison, cells)
    for name, why in failed.items():
        ERR.print(Text.assemble(("error: ", "bold red"), (f"{name}: {why}", "red")), soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def words(recipe: Path, output: str | None) -> str:
    """The command as it may stand beside the figures: no path that leads out of here."""
    here = recipe.resolve().is_relative_to(Path.cwd())
    place = os.path.relpath(recipe) if here else recipe.name
    return f"prunekit compare {place}" + (f" --output {output}" if output and not Path(output).is_absolute() else "")


def show(summary: "Summary") -> None:
    """Every table, with what it says."""
    from prunekit.compare.tables import cells, column_heading, columns, recommendation

    wide = Console(file=OUT.file, width=max(OUT.width, WIDTH), highlight=False)
    for table in summary.tables:
        grid = Table(
            title=column_heading(table.limits), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0)
        )
        names = columns(summary, table)
        told = [place for place, name in enumerate(names) if name not in (*LEFT_OUT, *summary.dense.others)]
        for place in told:
            grid.add_column(names[place], justify="right" if place else "left", header_style="dim", no_wrap=True)
        for row in cells(summary, table):
            grid.add_row(*(row[place] for place in told))
        wide.print(grid, crop=False)
        for sentence in recommendation(summary, table):
            OUT.print(sentence, markup=False, soft_wrap=True)
        OUT.print()
