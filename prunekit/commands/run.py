"""``prunekit run``: prune a model by a recipe or by flags."""

from pathlib import Path
from typing import Annotated, Any

import typer

from prunekit._support.nested import over, override
from prunekit._support.yaml_file import read_yaml
from prunekit.commands import options
from prunekit.commands.console import ERR, OUT, print_data
from prunekit.errors import PrunekitError
from prunekit.recipe import Recipe


def run(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE.yaml", help="Keys and values; flags override them.")
    ] = None,
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
    decoder_layers: options.DecoderLayers = None,
    encoder_sparsity: options.EncoderSparsity = None,
    target_speedup: options.TargetSpeedup = None,
    workload: options.Workload = None,
    vocabulary: options.Vocabulary = None,
    plan: options.Plan = None,
    set_: options.Set = None,
    output: options.OutputDirectory = None,
    dry_run: options.DryRun = False,
    debug: options.Debug = False,
) -> None:
    """Prune a model: find its units, learn which to remove, cut, recover, measure.

    Without a model and a task it runs the built-in example on real data.

    An interrupted run resumes when the same command is given again.
    """
    keys = options.given_keys(model=model, adapter=adapter, strategy=strategy, plan=plan, output=output)
    keys |= options.task_section(name=task, train=train, eval=eval_, test=test, source=source, target=target,
                                 metric=metric, prefix=prefix)  # fmt: skip
    keys |= _size_keys(decoder_layers, encoder_sparsity, target_speedup, workload)
    keys |= {"vocabulary": {"corpus": vocabulary}} if vocabulary is not None else {}
    work = show_dry_run if dry_run else start
    work(_checked_keys(recipe, keys, set_ or [], workload))


def _size_keys(
    decoder_layers: str | None, encoder_sparsity: float | None, target_speedup: float | None, workload: str | None
) -> dict[str, Any]:
    """How small, or how fast: the recipe's keys ``options`` and ``target``."""
    layers = options.parse_layers(decoder_layers) if decoder_layers else None
    own = options.given_keys(decoder_layers=layers, encoder_sparsity=encoder_sparsity)
    if target_speedup is not None and own:
        raise PrunekitError("--target-speedup chooses layers and sparsity itself; leave those flags out.")
    parsed = options.parse_workload(workload) if workload else None
    aim = options.given_keys(speedup=target_speedup, workload=parsed)
    return options.given_keys(options=own or None, target=aim or None)


def _checked_keys(
    recipe: Path | None, keys: dict[str, Any], settings: list[str], workload: str | None
) -> dict[str, Any]:
    """The recipe's keys under those of the flags; wrong ones are refused before anything heavy is imported."""
    data = override(over(read_yaml(recipe) if recipe else {}, keys), settings)
    parsed = Recipe.parse(data)
    if workload is not None and parsed.target.speedup is None:
        raise PrunekitError(
            "--workload belongs to --target-speedup, which is not given; to time that workload, write "
            "--set 'measure.workloads=[{batch: 1, source: 512, new_tokens: 64}]'."
        )
    return data


def show_dry_run(data: dict[str, Any]) -> None:
    """Look at the model and the data of the recipe in `data`, without any work, and show what was found."""
    from prunekit.commands.progress import Display
    from prunekit.loading.resolve import resolve
    from prunekit.pipeline.run import dry_run

    recipe = resolve(data)
    with Display() as display:
        found = dry_run(recipe, progress=display)
    print_data(found, OUT)
    ERR.print("Nothing was written. Without --dry-run the run begins.", soft_wrap=True)


def start(data: dict[str, Any]) -> None:
    """Run the recipe in `data`; show its progress, then its report."""
    from prunekit import run
    from prunekit.commands.progress import Display
    from prunekit.loading.resolve import resolve
    from prunekit.report.terminal import report_table

    recipe = resolve(data)
    with Display() as display:
        report = run(recipe, progress=display, show=print_data)
    OUT.print(report_table(report))
    ERR.print(f"\nWritten to {recipe.output}: the model in model/, everything measured in report.html.", soft_wrap=True)
