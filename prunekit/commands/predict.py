"""``prunekit predict``: predict the speed of every pruned shape of a model, before anything is trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from prunekit.commands import options
from prunekit.commands.console import ERR, OUT
from prunekit.errors import PrunekitError

if TYPE_CHECKING:
    from prunekit.latency.shapes import Shape

DEFAULT_SPARSITIES = "0,0.2,0.4,0.6,0.8"


def predict(
    model: Annotated[str, typer.Argument(metavar="DIR|HUB_ID", help="The model with its weights, pruned or dense.")],
    layers: Annotated[
        str | None,
        typer.Option(metavar="K,...", help="Numbers of decoder layers; by default every number up to the model's."),
    ] = None,
    encoder_sparsity: Annotated[
        str, typer.Option(metavar="S,...", help="Shares of the encoder's heads and FFN channels to remove.")
    ] = DEFAULT_SPARSITIES,
    workload: options.Workload = None,
    adapter: options.Adapter = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Also write the table as a page with a heat map.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, ...")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Number of threads on a CPU.")] = 1,
    debug: options.Debug = False,
) -> None:
    """Predict how fast a model's pruned shapes generate on this machine.

    A few pruned copies of the model are timed; nothing is trained.
    Speed depends on how many layers are kept, not on which.
    """
    from prunekit.commands.progress import Display
    from prunekit.latency.shapes import grid
    from prunekit.pipeline.prediction import shapes_for_model
    from prunekit.recipe import Workload

    wanted = Workload.parse(options.parse_workload(workload) if workload else {})
    depths = parse_numbers(layers, "--layers", int) if layers else None
    widths = parse_numbers(encoder_sparsity, "--encoder-sparsity", float)
    with Display() as display:
        shapes = shapes_for_model(model, wanted, adapter, device, threads, display, (depths or (), widths))
    rows = list(grid(shapes, depths or shapes.depths, widths))
    OUT.print(speedup_table(rows, wanted))
    OUT.print()
    OUT.print(breakdown_table(rows))
    ERR.print(Text(f"accuracy of the timings: {shapes.cost.noise:.1%}", style="dim"))
    if output is not None:
        _write_page(rows, wanted, shapes.cost.noise, output)


def _write_page(rows: "list[list[Shape]]", workload: Any, noise: float, output: Path) -> None:
    from prunekit.report.heatmap import write_heatmap

    write_heatmap(rows, workload, noise, output)
    ERR.print(f"Written to {output}.", soft_wrap=True)


def parse_numbers(text: str, flag: str, kind: type) -> list[Any]:
    """``0,0.2`` as a list of numbers; raises `PrunekitError` for anything else."""
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise PrunekitError(f"{flag} takes numbers separated by commas, not {text!r}.") from error


def speedup_table(rows: "list[list[Shape]]", workload: Any) -> Table:
    """One row per number of decoder layers, one column per sparsity of the encoder."""
    title = f"Times the dense model's speed, {workload.spelled}:\ndecoder layers kept (rows), encoder removed (columns)"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", justify="right", style="dim", header_style="dim")
    for shape in rows[0]:
        table.add_column(f"{shape.encoder_sparsity:.0%}", justify="right", header_style="dim")
    for row in rows:
        table.add_row(str(row[0].decoder_layers), *(f"{shape.speedup:.2f}x" for shape in row))
    return table


def breakdown_table(rows: "list[list[Shape]]") -> Table:
    """The time of each part of a generation, in the slowest and in the fastest shape."""
    every = sorted((shape for row in rows for shape in row), key=lambda shape: shape.speedup)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("milliseconds", style="dim", header_style="dim")
    ends = [every[0], every[-1]] if len(every) > 1 else every
    for shape in ends:
        name = f"{shape.decoder_layers} layers, {shape.encoder_sparsity:.0%} off"
        table.add_column(name, justify="right", header_style="dim")
    for name in every[0].seconds:
        table.add_row(name, *(f"{1000 * shape.seconds[name]:,.1f}" for shape in ends))
    return table
