"""A report's charts in coordinates for SVG: quality over speed, training curves, the kept units."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prunekit.report.axes import BOTTOM, LEFT, RIGHT, TOP, Frame, Scale, Tick, short_number
from prunekit.report.formatting import factor, figure, workload_text
from prunekit.report.kept_units import SublayerUnits, stretches
from prunekit.report.model_chart import COLOURS, DENSE_STYLE, LETTER, ChartedModel, ModelChart, model_chart
from prunekit.report.sections import LatencySection, QualitySection
from prunekit.report.training_log import Training

MAX_POINTS = 300
"""The most points that a curve is drawn with."""

PRUNED_STYLE = ("var(--kept)", "diamond")


def speed_chart(quality: QualitySection, latency: LatencySection, width: int, height: int) -> ModelChart:
    """The dense model and the pruned one on every workload, filled on the first; both axes start at zero."""
    dense = _model("dense", quality, 1.0, "dense", True)
    pruned = [
        _model("pruned", quality, timing.speedup, f"pruned, {workload_text(timing)}", number == 0)
        for number, timing in enumerate(latency.workloads)
    ]
    better = "higher" if quality.higher_is_better else "lower"
    unit = "" if quality.metric in quality.amounts else ", %"
    axis_y = f"{quality.metric}{unit} ({better} is better)"
    axis_x = "speed of generate, dense model = 1x"
    return model_chart([dense, *pruned], Scale.from_zero, (width, height), axis_x, axis_y)


def _model(which: str, quality: QualitySection, speedup: float, label: str, filled: bool) -> ChartedModel:
    """The ``dense`` or the ``pruned`` model at a speed, with 95% of the resamples as its spread."""
    amount = quality.metric in quality.amounts
    scale = 1 if amount else 100
    score = getattr(quality, which)
    low, high = getattr(quality.intervals, which) if quality.intervals else (score, score)
    colour, shape = DENSE_STYLE if which == "dense" else PRUNED_STYLE
    return ChartedModel(
        label=label,
        title=f"{label}: {figure(score, amount)} at {factor(speedup)}",
        speedup=speedup,
        quality=scale * score,
        low=scale * min(low, score),
        high=scale * max(high, score),
        colour=colour,
        shape=shape,
        filled=filled,
    )


@dataclass(frozen=True)
class Polyline:
    """A curve as the points of a polyline; a target's is `dashed`."""

    points: str
    colour: str
    dashed: bool = False


@dataclass(frozen=True)
class CurveChart:
    """Curves over the steps of all trainings, one after the other; `phases` are where each starts and its name."""

    frame: Frame
    lines: list[Polyline]
    phases: list[Tick]
    names: list[tuple[str, str]]


@dataclass(frozen=True)
class _Curve:
    """Points (step, value) of a training that starts at step `start` of the run."""

    start: int
    points: list[tuple[float, float]]
    colour: str
    dashed: bool = False


def loss_chart(run: Sequence[Training], width: int, height: int) -> CurveChart | None:
    """The loss of every training; None where none was logged."""
    curves = [_Curve(start, training.points("loss"), COLOURS[0]) for start, training in _with_starts(run)]
    return _line_chart(run, curves, "loss", [], width, height)


def sparsity_chart(run: Sequence[Training], width: int, height: int) -> CurveChart | None:
    """The expected sparsity of the gates, with its target; None where there were no gates."""
    keys = {key: None for training in run for entry in training.entries for key in entry if key.endswith("_sparsity")}
    parts = [key.removesuffix("_sparsity") for key in keys]
    colours = {part: COLOURS[number % len(COLOURS)] for number, part in enumerate(parts)}
    curves = [
        _Curve(start, [(step, 100 * value) for step, value in training.points(name)], colours[part], dashed)
        for part in parts
        for start, training in _with_starts(run)
        for name, dashed in ((f"{part}_target", True), (f"{part}_sparsity", False))
    ]
    names = [(part.replace("_", "-"), colour) for part, colour in colours.items()]
    return _line_chart(run, curves, "sparsity, %", names, width, height)


def _with_starts(run: Sequence[Training]) -> Iterator[tuple[int, Training]]:
    """Every training with the number of steps before it."""
    before = 0
    for training in run:
        yield before, training
        before += training.steps


def _line_chart(
    run: Sequence[Training], curves: list[_Curve], axis: str, names: list[tuple[str, str]], width: int, height: int
) -> CurveChart | None:
    values = [value for curve in curves for _, value in curve.points]
    if not values:
        return None
    x = Scale.from_zero([sum(training.steps for training in run)], LEFT, width - RIGHT, space=0)
    y = Scale.from_zero(values, height - BOTTOM, TOP)
    lines = [Polyline(_polyline(curve, x, y), curve.colour, curve.dashed) for curve in curves if curve.points]
    phases = _without_overlaps([Tick(x(start), training.phase) for start, training in _with_starts(run)])
    frame = Frame(width, height, x.ticks(short_number), y.ticks(short_number), "steps", axis)
    return CurveChart(frame, lines, phases, names)


def _polyline(curve: _Curve, x: Scale, y: Scale) -> str:
    return " ".join(f"{x(curve.start + step)},{y(value)}" for step, value in downsampled(curve.points))


def _without_overlaps(phases: list[Tick]) -> list[Tick]:
    """The phases, with an empty text where the name would lie on the one before."""
    free = 0.0
    shown = []
    for phase in phases:
        text = phase.text if phase.at >= free else ""
        free = phase.at + LETTER * (len(text) + 1) if text else free
        shown.append(Tick(phase.at, text))
    return shown


def downsampled(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `MAX_POINTS` of them, evenly spread, the first and the last among them."""
    if len(points) <= MAX_POINTS:
        return points
    return [points[n * (len(points) - 1) // (MAX_POINTS - 1)] for n in range(MAX_POINTS)]


@dataclass(frozen=True)
class MapCell:
    """A stretch of a layer's units: where it lies, how wide it is, and the share of it that is kept."""

    x: float
    width: float
    share: float


@dataclass(frozen=True)
class Strip:
    """A layer's row in a map; a dropped layer has no cells."""

    layer: int
    y: int
    cells: list[MapCell]
    text: str


@dataclass(frozen=True)
class UnitMap:
    """Which units of one sublayer are kept: a row a layer, a cell a head or a stretch of channels."""

    name: str
    width: int
    height: int
    strips: list[Strip]
    text: str

    left = 24
    row = 15
    cell = 12
    numbers = 92


def unit_map(name: str, sublayer: SublayerUnits, width: int) -> UnitMap:
    """The map of one sublayer, `width` pixels wide with the numbers at its right end."""
    layers = zip(sublayer.layers, sublayer.units, sublayer.kept, strict=True)
    strips = [_strip(layer, row * UnitMap.row, units, kept, width) for row, (layer, units, kept) in enumerate(layers)]
    total = f"{sublayer.total_kept:,} of {sum(sublayer.units):,} kept"
    return UnitMap(name, width, len(strips) * UnitMap.row, strips, total)


def _strip(layer: int, y: int, units: int, kept: list[int] | None, width: int) -> Strip:
    """One layer of a map."""
    if kept is None:
        return Strip(layer, y, [], "dropped")
    step = min(UnitMap.row, (width - UnitMap.left - UnitMap.numbers) / max(1, len(kept)))
    gap = 2 if step > 8 else 0
    shares = [count / whole for count, whole in zip(kept, stretches(units, range(units)), strict=True)]
    cells = [MapCell(round(UnitMap.left + n * step, 2), round(step - gap, 2), share) for n, share in enumerate(shares)]
    return Strip(layer, y, cells, f"{sum(kept):,} of {units:,}")
