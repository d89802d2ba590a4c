"""Problems with single rows of a data set, told all at once in one sentence."""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from datasets import Dataset

from prunekit.errors import PrunekitError

log = logging.getLogger(__name__)

LISTED = 10
"""How many problems a sentence names, and how many rows that have the same one."""

HINT = "cannot be used (task.skip=true leaves them out)"


@dataclass(frozen=True)
class RowProblem:
    """What is wrong with a row, and where it stands. Example: ``RowProblem("row 3", "no text in 'b'")``."""

    where: str
    what: str


def problem_listing(problems: Iterable[RowProblem], rows: int, noun: str, verb: str = HINT) -> str:
    """One sentence about all problems that so many rows have; rows with the same one are listed together.

    Example: ``2 of 9 rows of 'x.jsonl' cannot be used (task.skip=true leaves them out): row 3, row 5: no text in 'a'.``
    """
    alike: dict[str, list[str]] = {}
    for problem in problems:
        alike.setdefault(problem.what, []).append(problem.where)
    sentences = [f"{_first(places)}: {what.rstrip('.')}" for what, places in alike.items()]
    return f"{_count(alike):,} of {rows:,} {noun} {verb}: {'; '.join(_shortened(sentences))}."


def _count(alike: Mapping[str, list[str]]) -> int:
    return sum(map(len, alike.values()))


def _first(places: list[str]) -> str:
    """``row 3, row 5``; with more than `LISTED`, how many others there are."""
    return ", ".join(_shortened(places))


def _shortened(texts: list[str]) -> list[str]:
    """The first texts, and how many more there are."""
    more = [f"and {len(texts) - LISTED:,} more"] if len(texts) > LISTED else []
    return [*texts[:LISTED], *more]


def without_problems(rows: Dataset, problems: Mapping[int, RowProblem], noun: str, skip: bool) -> Dataset:
    """The rows without a problem; `problems` are by number from 0, and `noun` says which rows they are.

    Raises `PrunekitError` that names every problem; with `skip` a warning does, and the error is for rows that all have
    one.
    """
    if not problems:
        return rows
    check_share(problems.values(), len(rows), noun, skip)
    return rows.select([number for number in range(len(rows)) if number not in problems])


def check_share(problems: Collection[RowProblem], rows: int, noun: str, skip: bool) -> None:
    """Raise `PrunekitError` for the problems of so many rows, or warn of them where they may be skipped."""
    if not skip or len(problems) == rows:
        raise PrunekitError(problem_listing(problems, rows, noun))
    log.warning("%s", problem_listing(problems, rows, noun, "cannot be used and are left out"))
