"""The metric ``chrf``."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import sacrebleu

from prunekit.data.metrics.metric import Metric, Parts, SummedMetric
from prunekit.hookspecs import hookimpl


class Chrf(SummedMetric):
    """Corpus chrF2 (Popovic 2015) as sacrebleu has it: 6-grams of characters without blanks, recall twice as heavy."""

    def parts(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[Parts]:
        """The n-grams, from 1 to 6, of prediction, reference and both, as sacrebleu's significance tests sum them."""
        found = sacrebleu.CHRF()._extract_corpus_statistics(predictions, _columns(references))
        return [tuple(map(float, row)) for row in found]

    def figure(self, totals: Sequence[float]) -> float:
        """The F score of mean precision and mean recall; 1 where all texts are empty."""
        if not any(totals):
            return 1.0
        return float(sacrebleu.CHRF()._compute_score_from_stats([round(total) for total in totals]).score) / 100


def _columns(references: Sequence[Sequence[str]]) -> list[list[Any]]:
    """The first reference of every row, then the second, ...; None where a row has fewer."""
    return [list(column) for column in zip_longest(*references)]


@hookimpl
def prunekit_metric() -> type[Metric]:
    """Registered like any plugin's."""
    return Chrf
