"""``prunekit run``: prune a model as a recipe or the flags say."""

from pathlib import Path
from typing import Annotated, Any

import typer

from prunekit.commands import options
from prunekit.commands.console import ERR, OUT
from prunekit.errors import PrunekitError
from prunekit.recipe import Recipe, over, override, read_yaml


def run(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE.yaml", help="Keys and values; flags go over them.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|HUB_ID",
            help="The dense model; the built-in example when left out with the data.",
            rich_help_panel=options.WHAT,
        ),
    ] = None,
    adapter: options.Adapter = None,
    task: options.Task = None,
    train: options.Train = None,
    eval_: options.Eval = None,
    test: options.Test = None,
    source: options.Source = None,
    target: options.Target = None,
    metric: options.Metric = None,
    prefix: options.Prefix = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Method, see `prunekit list strategies`; nash when left out.",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    decoder_layers: Annotated[
        str | None,
        typer.Option(
            metavar="K", help="Decoder layers to keep: how many, or which, as 0,5,11.", rich_help_panel=options.HOW
        ),
    ] = None,
    encoder_sparsity: Annotated[
        float | None,
        typer.Option(
            metavar="S", help="Share of the encoder's heads and channels to remove.", rich_help_panel=options.HOW
        ),
    ] = None,
    target_speedup: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Remove as little as makes --workload X times faster.", rich_help_panel=options.HOW
        ),
    ] = None,
    workload: options.Workload = None,
    vocabulary: Annotated[
        str | None,
        typer.Option(
            metavar="task|FILE",
            help="Keep only the tokens that the training rows use, or a text file.",
            rich_help_panel=options.HOW,
        ),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Cut to this plan.json instead of asking a strategy.", rich_help_panel=options.HOW
        ),
    ] = None,
    set_: options.Set = None,
    output: Annotated[
        str | None, typer.Option(metavar="DIR", help="Where the result goes; outputs/run when left out.")
    ] = None,
    debug: options.Debug = False,
) -> None:
    """Prune a model: find what can go, learn which, cut it, recover, measure.

    Without a model and a task it runs the built-in example on real data.

    A run that was interrupted goes on when the same command is given again.
    """
    own = options.given(
        decoder_layers=decoder_layers and options.listed(decoder_layers), encoder_sparsity=encoder_sparsity
    )
    flags = options.given(
        strategy=strategy, plan=plan, model=model, adapter=adapter, output=output, options=own or None
    ) | options.section(
        name=task, train=train, eval=eval_, test=test, source=source, target=target, metric=metric, prefix=prefix
    )
    if target_speedup is not None and own:
        raise PrunekitError("--target-speedup chooses layers and sparsity itself; leave those flags out.")
    if aim := options.given(speedup=target_speedup, workload=workload and options.parsed(workload)):
        flags["target"] = aim
    if vocabulary is not None:
        flags["vocabulary"] = {"corpus": vocabulary}
    data = override(over(read_yaml(recipe) if recipe else {}, flags), set_ or [])
    asked = Recipe.parse(data)  # what is wrong by itself is said before anything heavy is imported
    if workload is not None and asked.target.speedup is None:
        raise PrunekitError(
            "--workload says what --target-speedup is about, which is not given; to time that workload, write "
            "--set 'measure.workloads=[{batch: 1, source: 512, new_tokens: 64}]'."
        )
    start(data)


def start(data: dict[str, Any]) -> None:
    """Run the recipe in `data`, show how it goes and what came of it."""
    from prunekit import run
    from prunekit.commands.progress import Display
    from prunekit.loading.resolve import resolve
    from prunekit.report.terminal import report_table

    recipe = resolve(data)
    with Display() as display:
        report = run(recipe, progress=display)
    OUT.print(report_table(report))
    ERR.print(f"\nWritten to {recipe.output}: the model in model/, everything measured in report.html.", soft_wrap=True)
