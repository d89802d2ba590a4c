"""How good: metrics that score predictions against one or more references each, as fractions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import jiwer
import sacrebleu

from prunekit._support.suggest import hint
from prunekit.errors import PrunekitError

Scorer = Callable[[Sequence[str], Sequence[Sequence[str]]], float]
Parts = Callable[[Sequence[str], Sequence[Sequence[str]]], Sequence[tuple[float, ...]]]


def ratio(totals: Sequence[float]) -> float:
    """The first of two totals over the second; 0 where there is nothing to divide by."""
    return totals[0] / max(totals[1], 1)


@dataclass(frozen=True)
class Metric:
    """A named way to score. Example: `wer` gives 0.25 for "a b c x" against "a b c d", and lower is better.

    `score` takes n predictions and n lists of references, and gives one figure for the whole set. Each prediction
    counts against its best-matching reference. Error rates start at 0 and may pass 1; scores lie between 0 and 1.

    `parts`, where a metric has them, gives numbers per row whose sums over any choice of rows make up that choice's
    score by `figure`, so that rows can be drawn again thousands of times. Example: `wer` has edits and words.
    """

    name: str
    higher_is_better: bool
    scorer: Scorer
    parts: Parts | None = None
    figure: Callable[[Sequence[float]], float] = ratio

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """The figure; raises `PrunekitError` where there is nothing to score or a row has no reference."""
        if len(predictions) != len(references) or not predictions:
            raise PrunekitError(
                f"{self.name} needs one list of references for each prediction, and at least one; "
                f"got {len(predictions)} predictions and {len(references)} lists."
            )
        if empty := [row for row, texts in enumerate(references) if not texts]:
            raise PrunekitError(f"{self.name} needs at least one reference a row; row {empty[0]} has none.")
        return self.scorer(*_tidied(predictions, references))

    def row_parts(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[tuple[float, ...]]:
        """The parts of every row; raises `PrunekitError` for a metric without."""
        if self.parts is None:
            raise PrunekitError(f"{self.name} is no sum over rows; compare by another metric.")
        return list(self.parts(*_tidied(predictions, references)))


def _tidied(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    return [_tidy(text) for text in predictions], [[_tidy(text) for text in row] for row in references]


def _tidy(text: str) -> str:
    """One blank between words, none around them."""
    return " ".join(text.split())


def _summed(parts: Parts) -> Scorer:
    """The ratio of the sums of a metric's two parts."""
    return lambda predictions, references: ratio(
        [sum(part) for part in zip(*parts(predictions, references), strict=True)]
    )


def _matches(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[tuple[float, ...]]:
    return [(float(text in row), 1.0) for text, row in zip(predictions, references, strict=True)]


def _word_edits(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[tuple[float, ...]]:
    return _best_edits(predictions, references, lambda expected, said: jiwer.process_words(expected, said))


def _character_edits(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[tuple[float, ...]]:
    return _best_edits(predictions, references, lambda expected, said: jiwer.process_characters(expected, said))


def _best_edits(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    align: Callable[[list[str], list[str]], jiwer.WordOutput | jiwer.CharacterOutput],
) -> list[tuple[float, ...]]:
    """Edits and tokens of each row's best reference.

    The best reference has the fewest edits; among equals the longest, which gives the lower rate.
    """
    said = [text for text, row in zip(predictions, references, strict=True) for _ in row]
    aligned = align([text for row in references for text in row], said)
    pairs = zip(map(_edits, aligned.alignments), map(len, aligned.references), strict=True)
    return [min((next(pairs) for _ in row), key=lambda pair: (pair[0], -pair[1])) for row in references]


def _edits(alignment: Sequence[jiwer.AlignmentChunk]) -> int:
    """Substitutions, deletions and insertions, in tokens; an inserted token has no place in the reference."""
    return sum(
        max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
        for chunk in alignment
        if chunk.type != "equal"
    )


def _bleu(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Corpus BLEU (Papineni et al. 2002) as sacrebleu has it: 4-grams, 13a tokens, exponential smoothing."""
    return float(sacrebleu.corpus_bleu(predictions, _columns(references)).score) / 100


def _bleu_parts(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[tuple[float, ...]]:
    """Lengths of prediction and nearest reference, then matching and all n-grams from 1 to 4."""
    judge = sacrebleu.BLEU(effective_order=True)
    rows = [judge.sentence_score(text, list(row)) for text, row in zip(predictions, references, strict=True)]
    return [(row.sys_len, row.ref_len, *row.counts, *row.totals) for row in rows]


def _bleu_figure(totals: Sequence[float]) -> float:
    said, expected, *grams = (round(total) for total in totals)
    return float(sacrebleu.BLEU.compute_bleu(grams[:4], grams[4:], said, expected, "exp").score) / 100


def _chrf(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Corpus chrF2 (Popovic 2015) as sacrebleu has it: 6-grams of characters without blanks, recall twice as heavy."""
    return float(sacrebleu.corpus_chrf(predictions, _columns(references)).score) / 100


def _chrf_parts(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[tuple[float, ...]]:
    """The n-grams of prediction, reference and both, from 1 to 6, as sacrebleu's own significance tests sum them."""
    stats = sacrebleu.CHRF()._extract_corpus_statistics(predictions, _columns(references))
    return [tuple(map(float, row)) for row in stats]


def _chrf_figure(totals: Sequence[float]) -> float:
    return float(sacrebleu.CHRF()._compute_score_from_stats([round(total) for total in totals]).score) / 100


def _columns(references: Sequence[Sequence[str]]) -> list[list[Any]]:
    """The first reference of every row, then the second, ...; None where a row has fewer."""
    return [list(column) for column in zip_longest(*references)]


def _rouge(variant: str) -> Parts:
    """F1 of a ROUGE variant (Lin 2004) per row, of lower-cased words of a-z and 0-9, without stemming."""

    def parts(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[tuple[float, ...]]:
        from rouge_score.rouge_scorer import RougeScorer  # brings in nltk, which takes half a second

        judge = RougeScorer([variant], use_stemmer=False)
        pairs = zip(predictions, references, strict=True)
        return [(float(judge.score_multi(row, text)[variant].fmeasure), 1.0) for text, row in pairs]

    return parts


ROUGE = {name: _rouge(name) for name in ("rouge1", "rouge2", "rougeL")}

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("bleu", True, _bleu, _bleu_parts, _bleu_figure),
        Metric("cer", False, _summed(_character_edits), _character_edits),
        Metric("chrf", True, _chrf, _chrf_parts, _chrf_figure),
        Metric("exact_match", True, _summed(_matches), _matches),
        Metric("per", False, _summed(_word_edits), _word_edits),  # phonemes are written as words: the same sums
        *(Metric(name, True, _summed(parts), parts) for name, parts in ROUGE.items()),
        Metric("wer", False, _summed(_word_edits), _word_edits),
    )
}
"""Every metric by name, in alphabetical order."""


def metrics(names: str) -> tuple[Metric, ...]:
    """The metrics of a list like ``bleu,chrf``, the headline first; one sentence where a name is unknown or twice."""
    found = tuple(metric(name.strip()) for name in names.split(","))
    if len(set(found)) < len(found):
        raise PrunekitError(f"The metrics {names!r} name one of them twice; name each once, the headline first.")
    return found


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
