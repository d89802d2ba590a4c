"""The metrics ``rouge1``, ``rouge2`` and ``rougeL``, one class that goes by its name."""

from collections.abc import Sequence

from prunekit.data.metrics.metric import Metric, Parts, SummedMetric
from prunekit.hookspecs import hookimpl


class Rouge(SummedMetric):
    """ROUGE (Lin 2004), the mean F1 per row of lower-cased words of a-z and 0-9, without stemming."""

    def parts(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[Parts]:
        """F1 against the best reference, and the row itself."""
        from rouge_score.rouge_scorer import RougeScorer  # imports nltk, which takes half a second

        scorer = RougeScorer([self.name], use_stemmer=False)
        pairs = zip(predictions, references, strict=True)
        return [(float(scorer.score_multi(row, text)[self.name].fmeasure), 1.0) for text, row in pairs]


@hookimpl
def prunekit_metric() -> type[Metric]:
    """Registered like any plugin's."""
    return Rouge
