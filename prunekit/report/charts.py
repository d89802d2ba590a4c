"""A report's pictures in coordinates for SVG: quality over speed, the curves of training, the units that stayed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prunekit.report.axes import Scale, Tick, short_number
from prunekit.report.formatting import workload
from prunekit.report.kept_units import PlaceSection, stretches
from prunekit.report.sections import LatencySection, QualitySection
from prunekit.report.training_log import Training

LEFT, RIGHT, TOP, BOTTOM = 56, 14, 18, 44
LETTER, LINE = 7.0, 17
POINTS = 300
"""As many points as a curve is drawn with."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b07d00")
"""Of Okabe and Ito's palette, which most kinds of colour blindness tell apart, dark enough for white paper."""


@dataclass(frozen=True)
class Frame:
    """The axes of a picture of `width` by `height` pixels."""

    width: int
    height: int
    across: list[Tick]
    up: list[Tick]
    axis_x: str
    axis_y: str

    left, right, top, bottom = LEFT, RIGHT, TOP, BOTTOM


@dataclass(frozen=True)
class TradePoint:
    """A model on one workload; `low` and `high` end its spread, the label's base line ends or starts at `label_x`."""

    x: float
    y: float
    low: float
    high: float
    label: str
    label_x: float
    label_y: float


@dataclass(frozen=True)
class Trade:
    """Quality over speed: the dense model, and the pruned one on every workload; both axes start at zero."""

    frame: Frame
    dense: TradePoint
    pruned: list[TradePoint]


def trade(quality: QualitySection, latency: LatencySection, width: int, height: int) -> Trade:
    """Where both models stand; what was lost and won is as long as it is."""
    timings = sorted(latency.workloads, key=lambda timing: timing.speedup)
    spreads = quality.intervals
    ends = {
        "dense": (quality.dense, *(spreads.dense if spreads else ())),
        "pruned": (quality.pruned, *(spreads.pruned if spreads else ())),
    }
    x = Scale.upto([1.0, *(timing.speedup for timing in timings)], LEFT, width - RIGHT)
    y = Scale.upto([100 * end for each in ends.values() for end in each], height - BOTTOM, TOP)
    better = "higher" if quality.higher_is_better else "lower"
    frame = Frame(
        width,
        height,
        x.ticks(lambda value: f"{short_number(value)}x"),
        y.ticks(short_number),
        "speed of generate, that of the dense model is 1x",
        f"{quality.metric}, % ({better} is better)",
    )

    def mark(who: str, speed: float, label: str, row: int) -> TradePoint:
        at_x, at_y = x(speed), y(100 * ends[who][0])
        low, high = y(100 * min(ends[who])), y(100 * max(ends[who]))
        below = (y(0) - low) > (row + 1.5) * LINE
        label_y = low + (row + 1.1) * LINE if below else high - (row + 0.6) * LINE
        start = max(LEFT + 4.0, min(at_x + 4, width - RIGHT) - LETTER * len(label))
        return TradePoint(at_x, at_y, low, high, label, round(start, 1), round(label_y, 1))

    pruned = [mark("pruned", timing.speedup, f"pruned, {workload(timing)}", row) for row, timing in enumerate(timings)]
    return Trade(frame, mark("dense", 1.0, "dense", 0), pruned)


@dataclass(frozen=True)
class ChartLine:
    """A curve as the points of a polyline. Those of a target are `dashed`."""

    points: str
    colour: str
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """Curves over the steps of all trainings, one after the other; `phases` says where each starts and its name."""

    frame: Frame
    lines: list[ChartLine]
    phases: list[Tick]
    names: list[tuple[str, str]]


def losses(run: Sequence[Training], width: int, height: int) -> Chart | None:
    """The loss of every training; None where none was logged."""
    curves = [(start, training.points("loss"), COLOURS[0], False) for start, training in _laid_out(run)]
    return _chart(run, curves, "loss", [], width, height)


def sparsities(run: Sequence[Training], width: int, height: int) -> Chart | None:
    """The expected sparsity of what gates learn, with its target; None where there were no gates."""
    keys = {key: None for training in run for entry in training.entries for key in entry if key.endswith("_sparsity")}
    parts = [key.removesuffix("_sparsity") for key in keys]
    curves = []
    for number, part in enumerate(parts):
        for start, training in _laid_out(run):
            for name, dashed in ((f"{part}_target", True), (f"{part}_sparsity", False)):
                points = [(step, 100 * value) for step, value in training.points(name)]
                curves.append((start, points, COLOURS[number % len(COLOURS)], dashed))
    names = [(part.replace("_", "-"), COLOURS[number % len(COLOURS)]) for number, part in enumerate(parts)]
    return _chart(run, curves, "sparsity, %", names, width, height)


Curve = tuple[int, list[tuple[float, float]], str, bool]
"""The step at which its training starts, its points, its colour, and whether it is dashed."""


def _laid_out(run: Sequence[Training]) -> Iterator[tuple[int, Training]]:
    """Every training with the number of steps before it."""
    before = 0
    for training in run:
        yield before, training
        before += training.steps


def _chart(
    run: Sequence[Training], curves: list[Curve], axis: str, names: list[tuple[str, str]], width: int, height: int
) -> Chart | None:
    values = [value for _, points, _, _ in curves for _, value in points]
    if not values:
        return None
    x = Scale.upto([sum(training.steps for training in run)], LEFT, width - RIGHT, room=0)
    y = Scale.upto(values, height - BOTTOM, TOP)
    lines = [
        ChartLine(" ".join(f"{x(start + step)},{y(value)}" for step, value in downsampled(points)), colour, dashed)
        for start, points, colour, dashed in curves
        if points
    ]
    phases = _named([Tick(x(start), training.phase) for start, training in _laid_out(run)])
    return Chart(
        Frame(width, height, x.ticks(short_number), y.ticks(short_number), "steps", axis), lines, phases, names
    )


def _named(phases: list[Tick]) -> list[Tick]:
    """The phases without the names that would lie on the one before."""
    free, named = 0.0, []
    for phase in phases:
        text = phase.text if phase.at >= free else ""
        free = phase.at + LETTER * (len(text) + 1) if text else free
        named.append(Tick(phase.at, text))
    return named


def downsampled(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `POINTS` of them, evenly spread, the first and the last among them."""
    if len(points) <= POINTS:
        return points
    return [points[n * (len(points) - 1) // (POINTS - 1)] for n in range(POINTS)]


@dataclass(frozen=True)
class MapCell:
    """A stretch of a layer's units: where it lies, how wide it is, and the share of it that stayed."""

    x: float
    width: float
    share: float


@dataclass(frozen=True)
class Strip:
    """A layer's row in a map; without cells the layer went."""

    layer: int
    y: int
    cells: list[MapCell]
    text: str


@dataclass(frozen=True)
class UnitMap:
    """Which units of one place stayed: a row a layer, a cell a head or a stretch of channels."""

    name: str
    width: int
    height: int
    strips: list[Strip]
    text: str

    left, row, cell = 24, 15, 12


def unit_map(name: str, place: PlaceSection, width: int) -> UnitMap:
    """The map of one place, `width` pixels wide with the numbers at its right end."""
    row, left, room = UnitMap.row, UnitMap.left, width - UnitMap.left - 92
    strips = []
    for at, (layer, units, kept) in enumerate(zip(place.layers, place.units, place.kept, strict=True)):
        step = min(row, room / max(1, len(kept or ())))
        cells = [
            MapCell(round(left + n * step, 2), round(step - (2 if step > 8 else 0), 2), count / whole)
            for n, (count, whole) in enumerate(zip(kept or (), stretches(units, range(units)), strict=False))
        ]
        text = "dropped" if kept is None else f"{sum(kept):,} of {units:,}"
        strips.append(Strip(layer, at * row, cells, text))
    total = f"{place.left:,} of {sum(place.units):,} kept"
    return UnitMap(name, width, len(strips) * row, strips, total)
