"""Quality over speed as a picture: where every variant stands, with its spread, in coordinates for an SVG."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prunekit.compare.figures import Summary, Table, TableRow
from prunekit.compare.tables import mean_and_spread, variant_name
from prunekit.report.axes import Scale, Tick, short_number
from prunekit.report.formatting import factor

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07d00", "#3f97cc")
"""Okabe and Ito's palette, which most kinds of colour blindness tell apart, its light ones darkened for white paper."""

SHAPES = ("square", "triangle", "diamond", "cross", "wedge")
"""A shape besides the colour, for prints without any; of other number, so that no pair of them comes twice soon."""

PLAIN = ("#5c6570", "circle")
"""The dense model's."""

LETTER = 7.2
LINE = 16
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 16, 44


@dataclass(frozen=True)
class VariantPoint:
    """A variant in the picture: its place, the ends of its spread, its label with the place of that."""

    x: float
    y: float
    high: float
    low: float
    colour: str
    shape: str
    filled: bool
    label: str
    label_x: float
    label_y: float
    title: str

    @property
    def led(self) -> bool:
        """Whether the label stands too far off to be told without a line."""
        return abs(self.label_y - 4 - self.y) > LINE


@dataclass(frozen=True)
class QualityChart:
    """Coordinates of one picture, `width` by `height` pixels. `dense_y` is the line of the dense model's quality."""

    width: int
    height: int
    marks: list[VariantPoint]
    across: list[Tick]
    up: list[Tick]
    dense_y: float
    axis_x: str
    axis_y: str

    left, right, top, bottom = LEFT, RIGHT, TOP, BOTTOM


def quality_chart(summary: Summary, table: Table, width: int, height: int) -> QualityChart | None:
    """Every variant of a table by its quality and its speed-up on the first workload; None without timings."""
    rows = [summary.dense, *table.rows]
    if not all(row.speeds for row in rows):
        return None
    speeds = [row.speeds[0].speedup for row in rows]
    ends = [row.quality.mean + side * (row.quality.deviation or 0) for row in rows for side in (1, -1)]
    x = Scale.around([1.0, *speeds], LEFT, width - RIGHT)
    y = Scale.around([100 * end for end in ends], height - BOTTOM, TOP)
    names = [row.variant for row in rows]
    boxes = LabelBoxes(width, height, [(x(row.speeds[0].speedup), y(100 * row.quality.mean)) for row in rows])
    marks = [
        _mark(row, names.index(row.variant) - 1, x, y, boxes) for row in sorted(rows, key=lambda row: -row.quality.mean)
    ]
    dense_y = y(100 * summary.dense.quality.mean)
    first = summary.dense.speeds[0].workload
    axis_x = f"speed-up of generate, batch {first.batch}"
    return QualityChart(
        width,
        height,
        marks,
        x.ticks(lambda value: f"{short_number(value)}x"),
        y.ticks(short_number),
        dense_y,
        axis_x,
        f"{summary.metric}, %",
    )


def _mark(row: TableRow, number: int, x: Scale, y: Scale, boxes: "LabelBoxes") -> VariantPoint:
    """The mark of the variant with this number; the dense model's is -1."""
    at_x, at_y = x(row.speeds[0].speedup), y(100 * row.quality.mean)
    deviation = 100 * (row.quality.deviation or 0)
    colour, shape = (COLOURS[number % len(COLOURS)], SHAPES[number % len(SHAPES)]) if number >= 0 else PLAIN
    label_x, label_y = boxes.place(at_x, at_y, row.variant)
    return VariantPoint(
        x=at_x,
        y=at_y,
        high=y(100 * row.quality.mean + deviation),
        low=y(100 * row.quality.mean - deviation),
        colour=colour,
        shape=shape,
        filled=not row.baseline,
        label=row.variant,
        label_x=label_x,
        label_y=label_y,
        title=f"{variant_name(row)}: {mean_and_spread(row.quality)} at {factor(row.speeds[0].speedup)}",
    )


class LabelBoxes:
    """Places labels beside their marks so that none lies on another, or on a mark."""

    def __init__(self, width: int, height: int, marks: Sequence[tuple[float, float]]):
        self.inner = (LEFT, TOP, width - 2, height - BOTTOM)
        self.taken = [(x - 7.0, y - 7.0, x + 7.0, y + 7.0) for x, y in marks]

    def place(self, x: float, y: float, text: str) -> tuple[float, float]:
        """Where the text begins, at its base line: to the right of (x, y) if it is free there, else near by."""
        width = LETTER * len(text)
        for left, base in self._candidates(x, y, width):
            box = (left - 2, base - 12, left + width + 2, base + 4)
            if self._inside(box) and not any(_overlap(box, other) for other in self.taken):
                break
        self.taken.append(box)
        return round(left, 1), round(base, 1)

    def _candidates(self, x: float, y: float, width: float) -> Iterator[tuple[float, float]]:
        for step in range(12):
            for side in (-1, 1) if step else (1,):
                base = y + 4 + side * step * LINE
                yield from ((x + 11, base), (x - 11 - width, base))
        yield x + 11, y + 4

    def _inside(self, box: tuple[float, float, float, float]) -> bool:
        left, top, right, bottom = self.inner
        return box[0] >= left and box[1] >= top and box[2] <= right and box[3] <= bottom


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
