"""What a metric is: one figure for a model's answers, each against one or more references."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from copy import copy
from typing import ClassVar, Self, final

from prunekit.errors import PrunekitError

Normalizers = Callable[[str | None], Callable[[str], str]]
"""Gives the normalizer of texts in a language."""

Parts = tuple[float, ...]
"""What one row adds to a score. Example: ``(2.0, 7.0)``, two wrong words of seven."""


class Metric(ABC):
    """A way to score answers. Example: ``wer`` gives 0.25 for "a b c x" against "a b c d", and lower is better.

    A subclass computes the figure of a whole set of rows in `corpus`, or derives from `SummedMetric`. `name` is the one
    that recipes use, that of the entry point; `language` is the references' (``task.target_language``), None where the
    recipe does not name it. The class docstring's first line is shown by ``prunekit list metrics``.
    """

    higher_is_better: ClassVar[bool] = True
    """False for error rates."""
    fraction: ClassVar[bool] = True
    """Whether figures are fractions, shown in percent: scores from 0 to 1, error rates from 0, which may pass 1."""

    uses_language: ClassVar[bool] = False
    """Whether figures depend on `language`."""

    def __init__(self, name: str, language: str | None = None):
        self.name = name
        self.language = language
        self._normalize: Callable[[str], str] | None = None
        self._normalizers: Normalizers | None = None
        self._by_language: dict[str | None, Self] = {}

    @abstractmethod
    def corpus(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """The figure of n predictions against n lists of references, each list with at least one.

        A prediction counts against its best reference. Texts come with one blank between words and none around them.
        """

    @final
    def score(
        self,
        predictions: Sequence[str],
        references: Sequence[Sequence[str]],
        languages: Sequence[str | None] | None = None,
    ) -> float:
        """The checked figure; raises `PrunekitError` where there is nothing to score or a row has no reference.

        `languages` are those of single rows, where they have languages of their own.
        """
        if len(predictions) != len(references) or not predictions:
            raise PrunekitError(
                f"{self.name} needs one list of references for each prediction, and at least one; "
                f"got {len(predictions)} predictions and {len(references)} lists."
            )
        empty = [row for row, texts in enumerate(references) if not texts]
        if empty:
            raise PrunekitError(f"{self.name} needs at least one reference a row; row {empty[0]} has none.")
        return self._figure(predictions, references, languages)

    @final
    def after(self, normalize: Callable[[str], str], by_language: Normalizers | None = None) -> Self:
        """The same metric, of texts that went through `normalize`. Example: without case and punctuation.

        Rows with languages of their own go through what `by_language` gives for them.
        """
        other = copy(self)
        other._normalize = normalize
        other._normalizers = by_language
        other._by_language = {}
        return other

    @final
    def in_language(self, language: str | None) -> Self:
        """The same metric, of texts in a language; made once, so that what it warns of once is not said again."""
        if language not in self._by_language:
            other = copy(self)
            other.language = language
            other._by_language = {}
            if self._normalizers is not None:
                other._normalize = self._normalizers(language)
            self._by_language[language] = other
        return self._by_language[language]

    def _figure(
        self,
        predictions: Sequence[str],
        references: Sequence[Sequence[str]],
        languages: Sequence[str | None] | None,
    ) -> float:
        """The figure of rows in languages; by a metric whose rows cannot be summed, of normalized texts alone."""
        if languages is None:
            return self.corpus(*self._normalized(predictions, references))
        single = self.in_language(languages[0] if len(set(languages)) == 1 else None)
        texts: list[str] = []
        answers: list[list[str]] = []
        for prediction, row, language in zip(predictions, references, languages, strict=True):
            found, right = self.in_language(language)._normalized([prediction], [row])
            texts += found
            answers += right
        return single.corpus(texts, answers)

    def share(self, figure: float) -> float | None:
        """How much of perfect a figure is: a score itself, 1 minus an error rate; None unless it is a fraction."""
        if not self.fraction:
            return None
        return figure if self.higher_is_better else 1 - figure

    def _normalized(
        self, predictions: Sequence[str], references: Sequence[Sequence[str]]
    ) -> tuple[list[str], list[list[str]]]:
        rows = [[self._text(text) for text in row] for row in references]
        return [self._text(text) for text in predictions], rows

    def _text(self, text: str) -> str:
        """One blank between words, none around them."""
        normalized = text if self._normalize is None else self._normalize(text)
        return " ".join(normalized.split())


class SummedMetric(Metric):
    """A metric whose figure is made of sums over rows, so that confidence intervals can draw rows again.

    Example: ``wer`` has ``(edits, words)`` per row, and `figure` divides the sum of the first by that of the second.
    """

    @abstractmethod
    def parts(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Sequence[Parts]:
        """The parts of each row, all of one length; texts come as they do to `corpus`."""

    def figure(self, totals: Sequence[float]) -> float:
        """The figure of the sums of the rows' parts: the first over the second, 0 where there is nothing to divide by.

        Rows may be weighted, so that the sums need not be those of whole rows.
        """
        return totals[0] / max(totals[1], 1)

    def corpus(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """The figure of the sums."""
        return self.figure([sum(part) for part in zip(*self.parts(predictions, references), strict=True)])

    @final
    def row_parts(
        self,
        predictions: Sequence[str],
        references: Sequence[Sequence[str]],
        languages: Sequence[str | None] | None = None,
    ) -> list[Parts]:
        """The parts of every row of any texts; `languages` are those of single rows."""
        if languages is None:
            return list(self.parts(*self._normalized(predictions, references)))
        found: dict[int, Parts] = {}
        for language in dict.fromkeys(languages):
            rows = [row for row, own in enumerate(languages) if own == language]
            texts = [predictions[row] for row in rows]
            right = [references[row] for row in rows]
            found.update(zip(rows, self.in_language(language).row_parts(texts, right), strict=True))
        return [found[row] for row in range(len(predictions))]

    def _figure(
        self,
        predictions: Sequence[str],
        references: Sequence[Sequence[str]],
        languages: Sequence[str | None] | None,
    ) -> float:
        if languages is None:
            return super()._figure(predictions, references, None)
        parts = self.row_parts(predictions, references, languages)
        return self.figure([sum(part) for part in zip(*parts, strict=True)])


def retained(metric: Metric, dense: float, pruned: float) -> float | None:
    """The share of the dense model's quality that the pruned one keeps; may pass 1.

    ``pruned / dense`` for scores, ``(1 - pruned) / (1 - dense)`` for error rates; None where the dense model has no
    quality to keep (a score of 0, an error rate of 1 or worse), and for a figure that is no fraction.
    """
    before = metric.share(dense)
    after = metric.share(pruned)
    return None if before is None or after is None or before <= 0 else after / before
