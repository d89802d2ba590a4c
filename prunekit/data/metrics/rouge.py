"""The metrics ``rouge1``, ``rouge2`` and ``rougeL``, one class that goes by its name."""

from collections.abc import Sequence
from typing import Any

from prunekit.data.metrics.metric import Metric, Parts, SummedMetric
from prunekit.data.metrics.scripts import word_tokens
from prunekit.hookspecs import hookimpl


class Rouge(SummedMetric):
    """ROUGE (Lin 2004), the mean F1 per row of lower-cased words, without stemming; of characters, in Chinese or Thai.

    English figures are those of the package rouge-score, but that an answer with its reference's words has 1 even where
    they are too few for a pair.
    """

    def parts(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[Parts]:
        """F1 against the best reference, and the row itself."""
        from rouge_score.rouge_scorer import RougeScorer  # imports nltk, which takes half a second

        scorer = RougeScorer([self.name], tokenizer=_Words())
        pairs = zip(predictions, references, strict=True)
        return [(self._best(scorer, text, row), 1.0) for text, row in pairs]

    def _best(self, scorer: Any, text: str, references: Sequence[str]) -> float:
        found = float(scorer.score_multi(references, text)[self.name].fmeasure)
        return found or float(any(_same_words(text, reference) for reference in references))


class _Words:
    """The tokenizer of the package rouge-score's interface."""

    def tokenize(self, text: str) -> list[str]:
        return word_tokens(text)


def _same_words(text: str, reference: str) -> bool:
    """Whether two texts have the same words, or are equal without any."""
    return text == reference or (bool(word_tokens(text)) and word_tokens(text) == word_tokens(reference))


@hookimpl
def prunekit_metric() -> type[Metric]:
    """Registered like any plugin's."""
    return Rouge
