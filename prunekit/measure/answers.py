"""The health of answers beside their scores: how long they are, and how many are empty, do not end or repeat."""

from collections.abc import Sequence

from prunekit._support.frozen import FrozenModel

LONGEST_PATTERN = 4
REPEATS = 3
"""A text repeats itself if up to four words stand three times in a row."""

MUCH = 0.1
"""A share of the answers by which pruning may change them before that is worth a warning."""


class AnswerHealth(FrozenModel):
    """What answers look like, whatever they score. Example: of 500 answers of 12 words in the mean, 3% are empty.

    `mean_length` counts words; the others are shares of the answers. `unended` is None where it is not known whether
    answers ended, as with answers from a file.
    """

    mean_length: float
    empty: float
    unended: float | None
    repeating: float

    @classmethod
    def of(cls, texts: Sequence[str], ended: Sequence[bool] | None) -> "AnswerHealth":
        """Of some answers; `ended` says of each whether the model ended it by itself."""
        count = max(1, len(texts))
        return cls(
            mean_length=sum(len(text.split()) for text in texts) / count,
            empty=sum(not text.strip() for text in texts) / count,
            unended=None if ended is None else sum(not end for end in ended) / count,
            repeating=sum(map(repeats_itself, texts)) / count,
        )


def repeats_itself(text: str) -> bool:
    """Whether one to four words stand three times in a row. Example: ``a b a b a b`` does, ``a b c a b`` does not."""
    words = text.split()
    for size in range(1, LONGEST_PATTERN + 1):
        for start in range(len(words) - REPEATS * size + 1):
            pattern = words[start : start + size]
            if words[start : start + REPEATS * size] == pattern * REPEATS:
                return True
    return False


class AnswersSection(FrozenModel):
    """The health of both models' answers to the test rows."""

    dense: AnswerHealth
    pruned: AnswerHealth

    def complaints(self) -> list[str]:
        """What pruning changed much, each as one sentence."""
        found = []
        for share, what in (("empty", "are empty"), ("unended", "do not end"), ("repeating", "repeat themselves")):
            before = getattr(self.dense, share) or 0.0
            after = getattr(self.pruned, share) or 0.0
            if after > before + MUCH:
                found.append(f"{after:.0%} of the pruned model's answers {what}, of the dense model's {before:.0%}.")
        ratio = self.pruned.mean_length / self.dense.mean_length if self.dense.mean_length else 1.0
        if not 0.67 <= ratio <= 1.5:
            word = "longer" if ratio > 1 else "shorter"
            found.append(
                f"The pruned model's answers are {word}: {self.pruned.mean_length:.1f} words in the mean, the dense "
                f"model's {self.dense.mean_length:.1f}."
            )
        return found
