"""Quality over speed: models as points of a chart, told apart by colour and shape, with labels that never overlap."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prunekit.report.axes import BOTTOM, LEFT, RIGHT, TOP, Frame, Scale, short_number

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07d00", "#3f97cc")
"""Okabe and Ito's palette, which most kinds of colour blindness tell apart, its light ones darkened for white paper."""

SHAPES = ("square", "triangle", "diamond", "cross", "wedge")
"""Beside the colours, for prints without any: five shapes and six colours make 30 distinct pairs."""

DENSE_STYLE = ("var(--quiet)", "circle")
"""The dense model's colour and shape."""

LETTER = 7.2
"""Pixels of a label's letter."""

LINE = 16
"""Pixels from one line of labels to the next."""


@dataclass(frozen=True)
class ChartedModel:
    """A model to draw: its speed-up, its quality in percent with the ends of its spread, and how its point looks."""

    label: str
    title: str
    speedup: float
    quality: float
    low: float
    high: float
    colour: str
    shape: str
    filled: bool = True


@dataclass(frozen=True)
class ModelPoint:
    """A model in a chart, in pixels: its place, the ends of its spread, and where its label starts."""

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
    def label_right(self) -> float:
        """Where the label ends."""
        return self.label_x + LETTER * len(self.label)

    @property
    def led(self) -> bool:
        """Whether the label stands on another line than the point, so that a line has to lead to it."""
        return abs(self.label_y - 4 - self.y) > LINE / 2


@dataclass(frozen=True)
class ModelChart:
    """Models by speed and quality; `level` is the height of the dense model's quality."""

    frame: Frame
    points: list[ModelPoint]
    level: float


def point_style(number: int) -> tuple[str, str]:
    """The colour and the shape of the model with this number."""
    return COLOURS[number % len(COLOURS)], SHAPES[number % len(SHAPES)]


def model_chart(
    models: Sequence[ChartedModel],
    scale: Callable[[Sequence[float], float, float], Scale],
    size: tuple[int, int],
    axis_x: str,
    axis_y: str,
) -> ModelChart:
    """The chart of these models, the dense one first, `size` pixels wide and high.

    `scale` makes both scales: `Scale.around` the models, or `Scale.from_zero`.
    """
    width, height = size
    x = scale([model.speedup for model in models], LEFT, width - RIGHT)
    y = scale([end for model in models for end in (model.quality, model.low, model.high)], height - BOTTOM, TOP)
    boxes = LabelBoxes(width, height, [(x(model.speedup), y(model.quality)) for model in models])
    points = [_point(model, x, y, boxes) for model in sorted(models, key=lambda model: -model.quality)]
    speed_ticks = x.ticks(lambda value: f"{short_number(value)}x")
    frame = Frame(width, height, speed_ticks, y.ticks(short_number), axis_x, axis_y)
    return ModelChart(frame, points, y(models[0].quality))


def _point(model: ChartedModel, x: Scale, y: Scale, boxes: "LabelBoxes") -> ModelPoint:
    at_x = x(model.speedup)
    at_y = y(model.quality)
    label_x, label_y = boxes.add(at_x, at_y, model.label)
    return ModelPoint(
        x=at_x,
        y=at_y,
        high=y(model.high),
        low=y(model.low),
        colour=model.colour,
        shape=model.shape,
        filled=model.filled,
        label=model.label,
        label_x=label_x,
        label_y=label_y,
        title=model.title,
    )


Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


class LabelBoxes:
    """Places labels beside their points so that none lies on another, or on a point."""

    def __init__(self, width: int, height: int, points: Sequence[tuple[float, float]]):
        self.inner: Box = (LEFT, TOP, width - 2, height - BOTTOM)
        self.taken: list[Box] = [(x - 7.0, y - 7.0, x + 7.0, y + 7.0) for x, y in points]

    def add(self, x: float, y: float, text: str) -> tuple[float, float]:
        """Where the text starts, on its base line: to the right of (x, y) if that is free, else near by; then taken."""
        width = LETTER * len(text)
        for left, base in self._candidates(x, y, width):
            box = (left - 2, base - 12, left + width + 2, base + 4)
            if self._inside(box) and not any(_overlap(box, other) for other in self.taken):
                break
        self.taken.append(box)
        return round(left, 1), round(base, 1)

    def _candidates(self, x: float, y: float, width: float) -> Iterator[tuple[float, float]]:
        """On the point's line, then line by line further away: right, left, and as near as the chart's edge allows."""
        nearest = min(max(x - width / 2, self.inner[0] + 4), self.inner[2] - width - 4)
        for step in range(12):
            for side in (-1, 1) if step else (1,):
                base = y + 4 + side * step * LINE
                yield from ((x + 11, base), (x - 11 - width, base))
                if step:
                    yield nearest, base
        yield x + 11, y + 4

    def _inside(self, box: Box) -> bool:
        left, top, right, bottom = self.inner
        return box[0] >= left and box[1] >= top and box[2] <= right and box[3] <= bottom


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
