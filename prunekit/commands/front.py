"""``prunekit front``: cut in steps, see quality over speed, and take the fastest model that is good enough."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from prunekit._support.nested import over, override
from prunekit._support.yaml_file import read_yaml
from prunekit.commands import options
from prunekit.commands.console import ERR, OUT
from prunekit.errors import PrunekitError
from prunekit.recipe import Recipe

if TYPE_CHECKING:
    from prunekit.front.figures import Front

WIDTH = 1000
"""More characters than any line needs: a line that is too long is better than one that is cut off."""

OUTPUT = "outputs/front"

Layers = Annotated[
    str | None,
    typer.Option(
        metavar="K,...",
        help="Decoder layers that each step keeps, as 6,4,2; by default halved to four, then one less at a time.",
    ),
]
Keep = Annotated[
    float | None,
    typer.Option(metavar="S", help="Name the fastest model that keeps this share of the dense model's dev score."),
]
Fast = Annotated[float | None, typer.Option(metavar="X", help="Name the best model that is at least X times as fast.")]


def front(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE.yaml", help="A run's keys and values; flags override them.")
    ] = None,
    layers: Layers = None,
    keep: Keep = None,
    target_speedup: Fast = None,
    model: options.Model = None,
    adapter: options.Adapter = None,
    task: options.Task = None,
    train: options.Train = None,
    eval_: options.Eval = None,
    test: options.Test = None,
    source: options.Source = None,
    target: options.Target = None,
    metric: options.Metric = None,
    prefix: options.Prefix = None,
    strategy: options.Strategy = None,
    vocabulary: options.Vocabulary = None,
    set_: options.Set = None,
    output: Annotated[str | None, typer.Option(metavar="DIR", help=f"By default {OUTPUT}.")] = None,
    debug: options.Debug = False,
) -> None:
    """Prune in steps, each from the recovered weights of the last, and show quality over speed.

    The recipe's budget is for all steps together. Every step leaves a model and a report.

    The same command continues where it stopped; with another --keep it only names another model.
    """
    keys = options.given_keys(model=model, adapter=adapter, strategy=strategy, output=output)
    keys |= options.task_section(name=task, train=train, eval=eval_, test=test, source=source, target=target,
                                 metric=metric, prefix=prefix)  # fmt: skip
    keys |= {"vocabulary": {"corpus": vocabulary}} if vocabulary is not None else {}
    data = override(over({"output": OUTPUT, **(read_yaml(recipe) if recipe else {})}, keys), set_ or [])
    Recipe.parse(data)
    start_front(data, _depths(layers), keep, target_speedup)


def _depths(text: str | None) -> list[int]:
    """``6,4,2`` as numbers; none where nothing is given."""
    parts = [] if text is None else [part.strip() for part in text.split(",")]
    wrong = next((part for part in parts if not part.isdecimal()), None)
    if wrong is not None:
        raise PrunekitError(f"--layers takes numbers of decoder layers like 6,4,2; {wrong!r} is none.")
    return [int(part) for part in parts]


def start_front(data: dict[str, Any], depths: list[int], keep: float | None, speedup: float | None) -> None:
    """Make the front of the recipe in `data`, show its progress, then its table; exit code 1 where no model will do."""
    from prunekit.commands.progress import Display
    from prunekit.front import Aim
    from prunekit.front import front as make_front
    from prunekit.loading.resolve import resolve

    aim = Aim(keep, speedup)
    recipe = resolve(data)
    with Display() as display:
        found = make_front(recipe, depths, aim, display)
    show_front(found)
    selection = found.selection
    taken = f"; the model to take is in {selection.model}/model" if selection is not None and selection.met else ""
    ERR.print(f"\nWritten to {recipe.output}: the chart is in front.html{taken}.", soft_wrap=True)
    if selection is not None and not selection.met:
        raise typer.Exit(1)


def show_front(found: "Front") -> None:
    """Print the table, and which model to take."""
    from prunekit.front.sentences import front_title, selection_sentences
    from prunekit.front.tables import front_columns, front_values

    wide = Console(file=OUT.file, width=max(OUT.width, WIDTH), highlight=False)
    grid = Table(title=front_title(found), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, name in enumerate(front_columns(found)):
        grid.add_column(name, justify="right" if number else "left", header_style="dim", no_wrap=True)
    for cells in front_values(found):
        grid.add_row(*cells)
    wide.print(grid, crop=False)
    for sentence in selection_sentences(found):
        OUT.print(sentence, markup=False, soft_wrap=True)
