"""The metrics ``wer`` and ``per``: phonemes are written as words, so both are the same sums."""

import logging
from collections.abc import Sequence

import jiwer

from prunekit.data.metrics.edits import edits_to_best
from prunekit.data.metrics.metric import Metric, Parts, SummedMetric
from prunekit.data.metrics.scripts import is_unspaced, separated
from prunekit.hookspecs import hookimpl

log = logging.getLogger(__name__)


class WordErrorRate(SummedMetric):
    """Wrong, missing and additional words (or phonemes, written as words) over those of the best reference.

    Scripts without blanks between words (Chinese, Japanese, Thai, ...) are counted by characters, as is usual for mixed
    speech, and a warning says so once.
    """

    higher_is_better = False
    _warned = False

    def parts(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[Parts]:
        """Edits and words of the best reference."""
        self._warn(references)
        expected = [[separated(text) for text in row] for row in references]
        given = [separated(text) for text in predictions]
        return edits_to_best(given, expected, lambda right, said: jiwer.process_words(right, said))

    def _warn(self, references: Sequence[Sequence[str]]) -> None:
        unspaced = sum(any(map(is_unspaced, row)) for row in references)
        if unspaced and not self._warned:
            self._warned = True
            log.warning(
                "%s counts characters, not words, in scripts without blanks between words, which %d of %d rows have; "
                "the metric cer counts characters everywhere.",
                self.name,
                unspaced,
                len(references),
            )


@hookimpl
def prunekit_metric() -> type[Metric]:
    """Registered like any plugin's."""
    return WordErrorRate
