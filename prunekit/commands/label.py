"""``prunekit label``: let a model write answers to the rows of a file, to train on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from prunekit._support.nested import over, override
from prunekit.commands import options
from prunekit.commands.console import OUT
from prunekit.recipe import Recipe

if TYPE_CHECKING:
    from prunekit.pipeline.labelling import Labelling

LISTED = 10
"""How many dropped rows are named for each reason."""

FILTERS = "Which answers are dropped"


def _limit(help: str, metavar: str) -> Any:
    return typer.Option(metavar=metavar, help=help, rich_help_panel=FILTERS)


ModelToAsk = Annotated[str, typer.Argument(metavar="MODEL", help="A directory or a hub id of a dense or pruned model.")]
File = Annotated[str, typer.Option(metavar="FILE", help="Rows to label: JSONL, CSV, TSV, Parquet or a data set.")]
LabelFile = Annotated[Path, typer.Option(metavar="FILE.jsonl", help="The rows with their answers; must not exist.")]
Beams = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="By default as many as the model's own config says.")
]
Batch = Annotated[int | None, typer.Option(min=1, metavar="N", help="Rows that are answered at once.")]
Unended = Annotated[
    bool, typer.Option("--unended", help="Keep answers that the model did not end.", rich_help_panel=FILTERS)
]
LeastScore = Annotated[float | None, _limit("Least mean log-probability of a token, in nats.", "NATS")]
MostWordErrors = Annotated[
    float | None, _limit("Most word errors against a row's own label, where it has one: 0.1 is 10%.", "SHARE")
]
LeastTokens = Annotated[int | None, _limit("Fewest tokens of an answer.", "N")]
MostTokens = Annotated[int | None, _limit("Most tokens of an answer.", "N")]
LeastRatio = Annotated[float | None, _limit("Fewest tokens for one of the source, or a second of it.", "X")]
MostRatio = Annotated[float | None, _limit("Most tokens for one of the source, or a second of it.", "X")]
MostRepeats = Annotated[int | None, _limit("How often any --repeat-length words may come at most.", "K")]
RepeatLength = Annotated[int | None, _limit("Words in a row whose repetitions count; by default 3.", "N")]


def label(
    model: ModelToAsk,
    rows: File,
    output: LabelFile,
    adapter: options.Adapter = None,
    task: options.Task = None,
    source: options.Source = None,
    target: options.Target = None,
    prefix: options.Prefix = None,
    beams: Beams = None,
    batch: Batch = None,
    unended: Unended = False,
    least_score: LeastScore = None,
    most_word_errors: MostWordErrors = None,
    least_tokens: LeastTokens = None,
    most_tokens: MostTokens = None,
    least_ratio: LeastRatio = None,
    most_ratio: MostRatio = None,
    most_repeats: MostRepeats = None,
    repeat_length: RepeatLength = None,
    set_: options.Set = None,
    debug: options.Debug = False,
) -> None:
    """Let a model write an answer to every row of a file, to train a smaller one on them.

    A killed labelling goes on where it stopped when the same command is given again.
    """
    limits = options.given_keys(
        unended=unended or None, least_score=least_score, most_word_errors=most_word_errors, least_tokens=least_tokens,
        most_tokens=most_tokens, least_ratio=least_ratio, most_ratio=most_ratio, most_repeats=most_repeats,
        repeat_length=repeat_length,
    )  # fmt: skip
    section = options.given_keys(name=task, train=rows, source=source, target=target, prefix=prefix)
    keys = options.given_keys(model=model, adapter=adapter, task=section, **_how(beams, batch))
    keys |= {"recovery": {"targets": "teacher", "filter": limits}}
    write(override(over({"task": {} if task else {"metric": "wer"}}, keys), set_ or []), output)


def _how(beams: int | None, batch: int | None) -> dict[str, Any]:
    """How answers are generated, as a recipe's keys."""
    generation = {"num_beams": beams} if beams else None
    return {"generation": generation, "measure": {"batch": batch} if batch else None}


def write(data: dict[str, Any], output: Path) -> None:
    """Label the rows of the recipe in `data`, and print what was dropped and why."""
    Recipe.parse(data)
    from prunekit.commands.progress import Display
    from prunekit.loading.resolve import resolve
    from prunekit.pipeline.labelling import dropped_path, label_file

    recipe = resolve(data)
    with Display() as display:
        found = label_file(recipe, output, display)
    total = len(found.numbers)
    OUT.print(f"{output}: {found.kept:,} of {total:,} rows labelled", markup=False, soft_wrap=True)
    if found.skipped:
        OUT.print(f"{found.skipped:,} more rows could not be used", markup=False)
    if found.kept < total:
        OUT.print(f"{dropped_path(output)}: {total - found.kept:,} rows dropped", markup=False, soft_wrap=True)
        OUT.print(drop_table(found))


def drop_table(found: "Labelling") -> Table:
    """One row per reason: how many answers were dropped for it, and the first rows, by their numbers in the file."""
    table = Table.grid(padding=(0, 2))
    for reason, numbers in found.dropped().items():
        more = ", ..." if len(numbers) > LISTED else ""
        table.add_row(f"  {reason}", f"{len(numbers):,}", f"rows {', '.join(map(str, numbers[:LISTED]))}{more}")
    return table
