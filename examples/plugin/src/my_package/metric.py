"""How far an answer's value is from the right one: a figure that is no fraction, and lower is better."""

from collections.abc import Sequence

from prunekit import Metric, SummedMetric, hookimpl

from my_package.numerals import value_of


class NumeralDistance(SummedMetric):
    """Mean distance between the value of a Roman numeral and that of its nearest reference."""

    higher_is_better = False
    fraction = False

    def parts(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[tuple[float, ...]]:
        pairs = zip(predictions, references, strict=True)
        return [(min(abs(value_of(text) - value_of(right)) for right in row), 1) for text, row in pairs]


@hookimpl
def prunekit_metric() -> type[Metric]:
    return NumeralDistance
