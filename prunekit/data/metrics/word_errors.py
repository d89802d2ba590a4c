"""The metrics ``wer`` and ``per``: phonemes are written as words, so both are the same sums."""

from collections.abc import Sequence

import jiwer

from prunekit.data.metrics.edits import edits_to_best
from prunekit.data.metrics.metric import Metric, Parts, SummedMetric
from prunekit.hookspecs import hookimpl


class WordErrorRate(SummedMetric):
    """Wrong, missing and additional words (or phonemes, written as words) over those of the best reference."""

    higher_is_better = False

    def parts(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[Parts]:
        """Edits and words of the best reference."""
        return edits_to_best(predictions, references, lambda expected, given: jiwer.process_words(expected, given))


@hookimpl
def prunekit_metric() -> type[Metric]:
    """Registered like any plugin's."""
    return WordErrorRate
