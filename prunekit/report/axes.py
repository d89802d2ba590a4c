"""Axes of charts: values in pixels, with round numbers as ticks, and the frame that they form."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LEFT = 56
RIGHT = 14
TOP = 18
BOTTOM = 44
"""Margins of a chart in pixels; axes are labelled on the left and at the bottom."""


@dataclass(frozen=True)
class Tick:
    """A number on an axis, at its pixel."""

    at: float
    text: str


@dataclass(frozen=True)
class Scale:
    """Maps values to pixels, with round numbers as ticks. Example: 1 to 4 on 56 to 700, with ticks at 1, 2, 3 and 4."""

    low: float
    high: float
    start: float
    end: float
    step: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float) -> "Scale":
        """A scale that holds all values with a little space at either end."""
        low = min(values)
        high = max(values)
        space = 0.08 * (high - low) or max(abs(high) * 0.05, 0.5)
        return cls(low - space, high + space, start, end, _step(high - low + 2 * space))

    @classmethod
    def from_zero(cls, values: Sequence[float], start: float, end: float, space: float = 0.08) -> "Scale":
        """A scale from zero, so that lengths are proportional to values; below zero it reaches down to the least.

        It ends the share `space` beyond the values.
        """
        low = (1 + space) * min(0.0, *values)
        high = (1 + space) * max(0.0, *values)
        high = high if high > low else 1.0
        return cls(low, high, start, end, _step(high - low))

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, style: Callable[[float], str]) -> list[Tick]:
        """Round numbers within the scale."""
        first = math.ceil(self.low / self.step)
        last = math.floor(self.high / self.step)
        return [Tick(self(n * self.step), style(n * self.step)) for n in range(first, last + 1)]


def _step(length: float) -> float:
    """The round number that divides this length into six at most."""
    unit = 10.0 ** math.floor(math.log10(length / 6))
    return next(unit * times for times in (1, 2, 5, 10) if unit * times >= length / 6)


def short_number(value: float) -> str:
    """60 and 62.5, without the noise of floating point."""
    return f"{round(value, 6):g}"


@dataclass(frozen=True)
class Frame:
    """The axes of a chart of `width` by `height` pixels, with ticks `across` and `up`."""

    width: int
    height: int
    across: list[Tick]
    up: list[Tick]
    axis_x: str
    axis_y: str

    left = LEFT
    right = RIGHT
    top = TOP
    bottom = BOTTOM
