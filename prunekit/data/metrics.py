"""How good: metrics that score predictions against one or more references each, as fractions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jiwer

from prunekit.data.spelling import hint
from prunekit.errors import PrunekitError

Scorer = Callable[[Sequence[str], Sequence[Sequence[str]]], float]


@dataclass(frozen=True)
class Metric:
    """A named way to score. Example: `wer` gives 0.25 for "a b c x" against "a b c d", and lower is better.

    `score` takes n predictions and n lists of references, and gives one figure for the whole set. Each prediction
    counts against its best-matching reference. Error rates start at 0 and may pass 1; scores lie between 0 and 1.
    """

    name: str
    higher_is_better: bool
    scorer: Scorer

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """The figure; raises `PrunekitError` where there is nothing to score or a row has no reference."""
        if len(predictions) != len(references) or not predictions:
            raise PrunekitError(
                f"{self.name} needs one list of references for each prediction, and at least one; "
                f"got {len(predictions)} predictions and {len(references)} lists."
            )
        if empty := [row for row, texts in enumerate(references) if not texts]:
            raise PrunekitError(f"{self.name} needs at least one reference a row; row {empty[0]} has none.")
        return self.scorer([_tidy(text) for text in predictions], [[_tidy(text) for text in row] for row in references])


def _tidy(text: str) -> str:
    """One blank between words, none around them."""
    return " ".join(text.split())


def _exact_match(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    return sum(text in row for text, row in zip(predictions, references, strict=True)) / len(predictions)


def _word_error_rate(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    return _error_rate(predictions, references, lambda expected, said: jiwer.process_words(expected, said))


def _character_error_rate(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    return _error_rate(predictions, references, lambda expected, said: jiwer.process_characters(expected, said))


def _error_rate(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    align: Callable[[list[str], list[str]], jiwer.WordOutput | jiwer.CharacterOutput],
) -> float:
    """Edits over tokens of the best references, both summed over all rows.

    The best reference has the fewest edits; among equals the longest, which gives the lower rate.
    """
    said = [text for text, row in zip(predictions, references, strict=True) for _ in row]
    aligned = align([text for row in references for text in row], said)
    pairs = zip(map(_edits, aligned.alignments), map(len, aligned.references), strict=True)
    best = [min((next(pairs) for _ in row), key=lambda pair: (pair[0], -pair[1])) for row in references]
    return sum(edits for edits, _ in best) / max(sum(length for _, length in best), 1)


def _edits(alignment: Sequence[jiwer.AlignmentChunk]) -> int:
    """Substitutions, deletions and insertions, in tokens; an inserted token has no place in the reference."""
    return sum(
        max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
        for chunk in alignment
        if chunk.type != "equal"
    )


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("cer", False, _character_error_rate),
        Metric("exact_match", True, _exact_match),
        Metric("per", False, _word_error_rate),  # phonemes are written as words, so it is the same sum
        Metric("wer", False, _word_error_rate),
    )
}
"""Every metric by name, in alphabetical order."""


def metric(name: str) -> Metric:
    """The metric called `name`, or one sentence that lists what there is."""
    if name not in METRICS:
        raise PrunekitError(f"There is no metric {name!r}; {hint(name, METRICS)}")
    return METRICS[name]


def retained(metric: Metric, dense: float, pruned: float) -> float | None:
    """The share of the dense model's quality that is left; may pass 1.

    ``pruned / dense`` for scores, ``(1 - pruned) / (1 - dense)`` for error rates; None where the dense model has no
    quality to keep (a score of 0, an error rate of 1 or worse).
    """
    whole, left = (dense, pruned) if metric.higher_is_better else (1 - dense, 1 - pruned)
    return left / whole if whole > 0 else None
