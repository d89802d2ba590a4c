"""``prunekit eval``: score a dense or pruned model on a task."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from prunekit._support.nested import over, override
from prunekit.commands import options
from prunekit.commands.console import OUT, print_data
from prunekit.recipe import Recipe


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A directory or a hub id of a dense or pruned model.")],
    adapter: options.Adapter = None,
    task: options.Task = None,
    eval_: options.Eval = None,
    test: options.Test = None,
    source: options.Source = None,
    target: options.Target = None,
    metric: options.Metric = None,
    prefix: options.Prefix = None,
    set_: options.Set = None,
    debug: options.Debug = False,
) -> None:
    """Score a model on a task's test rows, or on the rows of a file."""
    flags = options.given_keys(model=model, adapter=adapter)
    section = options.task_section(
        name=task, eval=eval_ or test, test=test, source=source, target=target, metric=metric, prefix=prefix
    )
    data = override(over(flags, section), set_ or [])
    Recipe.parse(data)
    print_scores(data)


def print_scores(data: dict[str, Any]) -> None:
    """Print the metrics of the model in a recipe's keys, on its task's test rows."""
    from prunekit._support.progress import counting
    from prunekit.commands.progress import Display
    from prunekit.data.tasks import for_evaluation
    from prunekit.loading.context import open_run_context
    from prunekit.loading.resolve import resolve
    from prunekit.pipeline.evaluation import quality_of, take_first
    from prunekit.pipeline.preflight import look

    recipe = resolve(data)
    with Display() as display:
        context = open_run_context(recipe, for_evaluation)
        task = context.task
        rows = take_first(task.test, recipe.measure.eval_examples)
        print_data(look(context, None, context.processor.encode(rows), None))
        found = quality_of(context, rows, recipe.measure.batch, counting(display, task.name))
    OUT.print(f"{task.name}: {len(rows):,} rows in {found.seconds:.1f} s", markup=False)
    OUT.print(score_table(found.scores, [metric.name for metric in task.metrics if not metric.fraction]))


def score_table(found: Mapping[str, float], amounts: Collection[str] = ()) -> Table:
    """One row per metric; those in `amounts` are no fractions."""
    from prunekit.report.formatting import figure

    table = Table.grid(padding=(0, 2))
    for name, value in found.items():
        table.add_row(name, figure(value, name in amounts))
    return table
