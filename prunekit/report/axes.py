"""Axes of pictures: values in pixels, with round numbers as ticks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Tick:
    """A number on an axis and its place."""

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
        """A scale that holds all values with a little room."""
        low, high = min(values), max(values)
        room = 0.08 * (high - low) or max(abs(high) * 0.05, 0.5)
        return cls(low - room, high + room, start, end, _step(high - low + 2 * room))

    @classmethod
    def upto(cls, values: Sequence[float], start: float, end: float, room: float = 0.08) -> "Scale":
        """A scale from zero, on which lengths are as the values are, or from the least where that is below zero.

        It ends `room` beyond what it holds.
        """
        low, high = (1 + room) * min(0.0, *values), (1 + room) * max(0.0, *values)
        high = high if high > low else 1.0
        return cls(low, high, start, end, _step(high - low))

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, style: Callable[[float], str]) -> list[Tick]:
        """Round numbers within the scale."""
        first, last = math.ceil(self.low / self.step), math.floor(self.high / self.step)
        return [Tick(self(n * self.step), style(n * self.step)) for n in range(first, last + 1)]


def _step(length: float) -> float:
    """The round number that divides this length into six at most."""
    unit = 10.0 ** math.floor(math.log10(length / 6))
    return next(unit * times for times in (1, 2, 5, 10) if unit * times >= length / 6)


def short_number(value: float) -> str:
    """60 and 62.5, whatever the step made of them."""
    return f"{round(value, 6):g}"
