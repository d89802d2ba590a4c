"""The metric ``cer``."""

from collections.abc import Sequence

import jiwer

from prunekit.data.metrics.edits import edits_to_best
from prunekit.data.metrics.metric import Metric, Parts, SummedMetric
from prunekit.hookspecs import hookimpl


class CharacterErrorRate(SummedMetric):
    """Wrong, missing and additional characters over those of the best reference."""

    higher_is_better = False

    def parts(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[Parts]:
        """Edits and characters of the best reference."""
        return edits_to_best(predictions, references, lambda expected, given: jiwer.process_characters(expected, given))


@hookimpl
def prunekit_metric() -> type[Metric]:
    """Registered like any plugin's."""
    return CharacterErrorRate
