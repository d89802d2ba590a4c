"""The metric ``bleu``."""

from collections.abc import Sequence

import sacrebleu

from prunekit.data.metrics.metric import Metric, Parts, SummedMetric
from prunekit.hookspecs import hookimpl

ORDER = 4
"""The longest n-grams that count."""


class Bleu(SummedMetric):
    """Corpus BLEU (Papineni et al. 2002) as sacrebleu has it: 4-grams, 13a tokens, exponential smoothing."""

    def parts(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[Parts]:
        """Lengths of prediction and nearest reference, then matching and all n-grams from 1 to 4."""
        scorer = sacrebleu.BLEU(effective_order=True)
        pairs = zip(predictions, references, strict=True)
        scored = [scorer.sentence_score(text, list(row)) for text, row in pairs]
        return [(row.sys_len, row.ref_len, *row.counts, *row.totals) for row in scored]

    def figure(self, totals: Sequence[float]) -> float:
        """The geometric mean of the precisions, times the penalty for brevity."""
        length, reference_length, *grams = (round(total) for total in totals)
        found = sacrebleu.BLEU.compute_bleu(grams[:ORDER], grams[ORDER:], length, reference_length, "exp")
        return float(found.score) / 100


@hookimpl
def prunekit_metric() -> type[Metric]:
    """Registered like any plugin's."""
    return Bleu
