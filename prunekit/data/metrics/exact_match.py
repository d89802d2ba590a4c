"""The metric ``exact_match``."""

from collections.abc import Sequence

from prunekit.data.metrics.metric import Metric, Parts, SummedMetric
from prunekit.hookspecs import hookimpl


class ExactMatch(SummedMetric):
    """The share of answers that equal one of their references."""

    def parts(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[Parts]:
        """1 or 0, and the row itself."""
        return [(float(text in row), 1.0) for text, row in zip(predictions, references, strict=True)]


@hookimpl
def prunekit_metric() -> type[Metric]:
    """Registered like any plugin's."""
    return ExactMatch
