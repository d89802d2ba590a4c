"""``prunekit predict``: how fast every shape of a model will be, before anything is trained."""

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

SPARSITIES = "0,0.2,0.4,0.6,0.8"


def predict(
    model: Annotated[str, typer.Argument(metavar="DIR|HUB_ID", help="The model, with its weights; pruned or not.")],
    layers: Annotated[
        str | None, typer.Option(metavar="K,...", help="Decoder layers; all numbers there are when left out.")
    ] = None,
    encoder_sparsity: Annotated[
        str, typer.Option(metavar="S,...", help="Shares of the encoder's heads and channels that go.")
    ] = SPARSITIES,
    workload: options.Workload = None,
    adapter: options.Adapter = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write the grid as a page with a heat map, too.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda ...")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Threads on a CPU.")] = 1,
    debug: options.Debug = False,
) -> None:
    """Foretell how fast a model's pruned shapes generate on this machine.

    A few small cuts of the model are timed; nothing is trained, and which layers stay does not matter to speed.
    """
    from prunekit.recipe import Workload

    wanted = Workload.parse(options.parsed(workload) if workload else {})
    depths = numbers(layers, "--layers", int) if layers else None
    widths = numbers(encoder_sparsity, "--encoder-sparsity", float)
    _predict(model, wanted, adapter, device, threads, depths, widths, output)


def _predict(
    model: str,
    workload: Any,
    adapter: str | None,
    device: str,
    threads: int,
    depths: list[int] | None,
    widths: list[float],
    output: Path | None,
) -> None:
    """Time what the prediction needs, print the grid, and write it as a page if `output` names one."""
    from prunekit.commands.progress import Display
    from prunekit.latency.shapes import grid
    from prunekit.pipeline.prediction import shapes_for_model

    with Display() as display:
        shapes = shapes_for_model(model, workload, adapter, device, threads, display, (depths or (), widths))
    rows = list(grid(shapes, depths or shapes.depths, widths))
    OUT.print(speeds(rows, workload))
    OUT.print()
    OUT.print(sections(rows))
    ERR.print(Text(f"from timings that are good to {shapes.cost.noise:.1%}", style="dim"))
    if output is not None:
        from prunekit.report.heatmap import write_heatmap

        write_heatmap(rows, workload, shapes.cost.noise, output)
        ERR.print(f"Written to {output}.", soft_wrap=True)


def numbers(text: str, flag: str, kind: type) -> list[Any]:
    """The numbers in a list with commas; raises `PrunekitError` where something else stands there."""
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise PrunekitError(f"{flag} takes numbers with commas between them, not {text!r}.") from error


def speeds(rows: "list[list[Shape]]", workload: Any) -> Table:
    """The grid: a row for every number of decoder layers, a column for every sparsity of the encoder."""
    title = f"Times the dense model's speed, {workload.spelled}:\ndecoder layers down, what goes of the encoder across"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", justify="right", style="dim", header_style="dim")
    for shape in rows[0]:
        table.add_column(f"{shape.encoder_sparsity:.0%}", justify="right", header_style="dim")
    for row in rows:
        table.add_row(str(row[0].decoder_layers), *(f"{shape.speedup:.2f}x" for shape in row))
    return table


def sections(rows: "list[list[Shape]]") -> Table:
    """Where the time goes, in the slowest and in the fastest shape."""
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
