"""Which of a model's answers are dropped before anything is trained on them, and why."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from datasets import Dataset

from prunekit.data.metrics.scripts import separated
from prunekit.data.metrics.word_errors import WordErrorRate
from prunekit.data.table import are_labelled
from prunekit.data.tasks import Task
from prunekit.measure.answer_log import WrittenAnswer
from prunekit.measure.predictions import answer_languages
from prunekit.recipe import AnswerFilter

EMPTY = "empty"
"""The reason that no key of a filter names: there is no text."""


def drop_reasons(
    answer: WrittenAnswer, rule: AnswerFilter, source_size: float, word_errors: float | None = None
) -> tuple[str, ...]:
    """Why an answer is dropped, by the keys of the filter; nothing for one that is kept.

    `source_size` counts the source's tokens, of audio its seconds; `word_errors` are the share of wrong words against
    the row's own label, None where it has none. Example: ``("unended", "most_repeats")``.
    """
    return tuple(_reasons(answer, rule, source_size, word_errors))


def _reasons(answer: WrittenAnswer, rule: AnswerFilter, source_size: float, word_errors: float | None) -> Iterator[str]:
    if not answer.text.strip():
        yield EMPTY
    if not answer.ended and not rule.unended:
        yield "unended"
    ratio = answer.tokens / source_size if source_size else float("inf")
    repeats = most_repeats(answer.text, rule.repeat_length) if rule.most_repeats is not None else 0
    yield from _below(rule, {"least_score": answer.score, "least_tokens": answer.tokens, "least_ratio": ratio})
    found = {"most_tokens": answer.tokens, "most_ratio": ratio, "most_repeats": repeats}
    yield from _above(rule, {**found, "most_word_errors": word_errors})


def _below(rule: AnswerFilter, found: Mapping[str, float | None]) -> Iterator[str]:
    """The limits that a figure falls short of; one that is no number does."""
    for key, value in found.items():
        limit = getattr(rule, key)
        if limit is not None and value is not None and not value >= limit:
            yield key


def _above(rule: AnswerFilter, found: Mapping[str, float | None]) -> Iterator[str]:
    """The limits that a figure passes."""
    for key, value in found.items():
        limit = getattr(rule, key)
        if limit is not None and value is not None and value > limit:
            yield key


def most_repeats(text: str, length: int) -> int:
    """How often the most frequent `length` words in a row come in a text. Example: ``a b a b a`` has ``a b`` twice.

    In scripts without blanks between words, characters count as words.
    """
    words = separated(text).split()
    grams = Counter(tuple(words[start : start + length]) for start in range(len(words) - length + 1))
    return max(grams.values(), default=0)


def all_drop_reasons(
    task: Task, answers: Sequence[WrittenAnswer], rule: AnswerFilter, source_sizes: Sequence[float]
) -> list[tuple[str, ...]]:
    """The `drop_reasons` of the answers to all training rows of a task."""
    errors = word_errors(task, answers) if rule.most_word_errors is not None else [None] * len(answers)
    rows = zip(answers, source_sizes, errors, strict=True)
    return [drop_reasons(answer, rule, size, wrong) for answer, size, wrong in rows]


def word_errors(task: Task, answers: Sequence[WrittenAnswer]) -> list[float | None]:
    """Wrong words over those of the row's best label, as the task normalizes both; None for rows without a label."""
    numbers = [number for number, has in enumerate(are_labelled(task.train)) if has]
    known: Dataset = task.train.select(numbers)
    metric = task.scored_by([WordErrorRate("wer", task.section.target_language)]).metrics[0]
    assert isinstance(metric, WordErrorRate)
    texts = [answers[number].text for number in numbers]
    parts = metric.row_parts(texts, known["references"][:], answer_languages(known)) if numbers else []
    found: list[float | None] = [None] * len(answers)
    for number, (edits, words) in zip(numbers, parts, strict=True):
        found[number] = edits / max(words, 1)
    return found


def count_reasons(reasons: Iterable[Sequence[str]]) -> dict[str, int]:
    """How many answers have each reason, the most frequent first; one may have several."""
    return dict(Counter(reason for each in reasons for reason in each).most_common())
