"""The metric ``bleu``."""

import re
from collections.abc import Sequence

import sacrebleu

from prunekit.data.metrics.metric import Metric, Parts, SummedMetric
from prunekit.data.metrics.scripts import separated
from prunekit.hookspecs import hookimpl

ORDER = 4
"""The longest n-grams that count."""


CHINESE = ("zh", "zho", "chi", "cmn", "yue", "wuu", "hak", "gan", "lzh", "chinese", "mandarin", "cantonese")
"""Languages that sacrebleu's ``zh`` tokens suit, as ``zh_CN`` or ``zho_Hans`` begin; ``deu_Latn`` is none of them."""


class Bleu(SummedMetric):
    """Corpus BLEU (Papineni et al. 2002) as sacrebleu has it: 4-grams, exp smoothing, 13a tokens (zh in Chinese).

    Characters of scripts without blanks between words (Japanese, Thai, ...) are tokens of their own in every language.
    Where neither answers nor references have n-grams of 4 tokens, the longest that they have count as the last.
    """

    uses_language = True

    def parts(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[Parts]:
        """Lengths of prediction and nearest reference; matching and all n-grams from 1 to 4; those of the reference."""
        scorer = sacrebleu.BLEU(effective_order=True, tokenize="zh" if is_chinese(self.language) else "13a")
        pairs = zip(predictions, references, strict=True)
        scored = [scorer.sentence_score(separated(text), [separated(right) for right in row]) for text, row in pairs]
        return [(row.sys_len, row.ref_len, *row.counts, *row.totals, *_grams(row.ref_len)) for row in scored]

    def figure(self, totals: Sequence[float]) -> float:
        """The geometric mean of the precisions, times the penalty for brevity; 1 where all texts are empty."""
        length, reference_length, *grams = (round(total) for total in totals)
        if not any(totals):
            return 1.0
        found = grams[:ORDER]
        given = grams[ORDER : 2 * ORDER]
        expected = grams[2 * ORDER :]
        order = sum(1 for pair in zip(given, expected, strict=True) if any(pair))
        score = sacrebleu.BLEU.compute_bleu(
            found[:order], given[:order], length, reference_length, "exp", max_ngram_order=order
        )
        return min(float(score.score) / 100, 1.0)


def is_chinese(language: str | None) -> bool:
    """Whether a language is Chinese by its code or name. Example: ``zh``, ``zh_CN``, ``zho_Hans``, ``Chinese``."""
    return re.split("[-_ ]", (language or "").lower())[0] in CHINESE


def _grams(length: int) -> list[int]:
    """How many n-grams, from 1 to 4, a text of so many tokens has."""
    return [max(length - order, 0) for order in range(ORDER)]


@hookimpl
def prunekit_metric() -> type[Metric]:
    """Registered like any plugin's."""
    return Bleu
