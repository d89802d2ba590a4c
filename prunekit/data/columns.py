"""Columns of the user's rows, as the recipe names them: texts, recordings, languages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from datasets import Dataset

from prunekit._support.suggest import hint
from prunekit.data.problems import RowProblem, check_share
from prunekit.data.recordings import wav_bytes
from prunekit.data.row_files import MalformedRow, read_rows
from prunekit.data.table import MORE, task_table
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection

RowValue = Mapping[str, Any]

ASKED = {
    "source_language": "source_language_column",
    "target_language": "target_language_column",
    "speech_task": "task_column",
}
"""The columns of a table that say how a row is asked, by the keys of the recipe that name the user's columns."""

RECORDING = ("bytes", "path", "array", "sampling_rate")
"""What the `datasets` library's audio columns hold."""


@dataclass(frozen=True)
class ReadTable:
    """The rows of one file or data set as a task's table. Example: 98 rows, and `skipped` 2 that could not be used."""

    table: Dataset
    skipped: int


class _BadValueError(Exception):
    """What is wrong with one value of a row."""


@dataclass
class _Columns:
    """The values of all good rows by column of the task's table, and what is wrong with the others.

    Where rows may be `unlabelled`, they need no target, and are numbered as in their file.
    """

    section: TaskSection
    origin: str
    unlabelled: bool = False
    values: dict[str, list[Any]] = field(default_factory=dict)
    problems: list[RowProblem] = field(default_factory=list)
    number: int = 0

    def add(self, row: RowValue | MalformedRow) -> None:
        """Note the next row of the file."""
        self.number += 1
        if isinstance(row, MalformedRow):
            self.problems.append(RowProblem(row.where, row.what))
            return
        if len(self.problems) == self.number - 1:
            _check_names(self.section, self.origin, row, self.unlabelled)
        try:
            for name, value in self._of(row):
                self.values.setdefault(name, []).append(value)
        except _BadValueError as error:
            self.problems.append(RowProblem(f"row {self.number}", str(error)))

    def _of(self, row: RowValue) -> list[tuple[str, Any]]:
        """The values of a row by the names that they have in the table."""
        section = self.section
        source, recording = _source(row, str(section.source), self.number)
        right = [] if self._lacks_label(row) else _texts(row, str(section.target))
        found = [("source", source), ("target", right[0] if right else ""), ("references", right)]
        number = self.number if self.unlabelled else None
        return [*found, ("recording", recording), ("number", number), *_asked(row, section)]

    def _lacks_label(self, row: RowValue) -> bool:
        value = row.get(str(self.section.target))
        return self.unlabelled and (not value or (isinstance(value, str) and not value.strip()))


def read_table(origin: str, splits: Sequence[str], section: TaskSection, unlabelled: bool = False) -> ReadTable:
    """The columns of `origin` that the recipe names, as rows of a task; a list as the target is several answers.

    Rows may be `unlabelled`: without a text as their target, or even without that column. Such a table has the column
    ``number``, a row's number in its file.

    Raises `PrunekitError` for a column that is missing, an empty set, and rows that cannot be used: all at once, or
    where ``task.skip`` leaves them out, if there are no others.
    """
    columns = _Columns(section, origin, unlabelled)
    for row in islice(read_rows(origin, splits, section.streaming), section.limit):
        columns.add(row)
    if not columns.number:
        raise PrunekitError(f"{origin!r} has no rows; give at least one pair of texts.")
    problems = columns.problems
    if problems:
        check_share(problems, columns.number, f"rows of {origin!r}", section.skip)
    return ReadTable(_table(columns.values, columns.number - len(problems)), len(problems))


def _table(values: Mapping[str, list[Any]], rows: int) -> Dataset:
    more = {name: values[name] for name in MORE if any(value is not None for value in values.get(name, ()))}
    return task_table(values["source"], values["target"], values["references"], more)


def _check_names(section: TaskSection, origin: str, row: RowValue, unlabelled: bool) -> None:
    """Raise `PrunekitError` for a column that the recipe names and the first row needs and does not have."""
    listing = ", ".join(row)
    for role in ("source", "target"):
        if getattr(section, role) is None:
            raise PrunekitError(f"Say with --{role} which column of {origin!r} to use; there are {listing}.")
    labels = () if unlabelled else (section.target,)
    named = [section.source, *labels, *(getattr(section, key) for key in ASKED.values())]
    for name in filter(None, named):
        if name not in row and not any(f"{name}.{part}" in row for part in RECORDING):
            raise PrunekitError(f"{origin!r} has no column {name!r}; {hint(name, row)}")


def _source(row: RowValue, name: str, number: int) -> tuple[str, bytes | None]:
    """The text of a source, or the name of a recording that is a column of its own parts, with its bytes."""
    parts = {part: row.get(f"{name}.{part}") for part in RECORDING}
    if name in row or not any(parts.values()):
        return _text(row.get(name), name), None
    path = parts["path"] or f"row {number}"
    if parts["array"]:
        return path, wav_bytes(parts["array"], int(parts["sampling_rate"] or 0))
    return path, parts["bytes"]


def _texts(row: RowValue, name: str) -> list[str]:
    """The texts of a row in a column, where it may hold a list of them; else its one text."""
    value = row.get(name)
    if not isinstance(value, list) or not value:
        return [_text(value, name)]
    return [_text(one, name) for one in value]


def _text(value: object, name: str) -> str:
    """`value` as a text that can be encoded."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise _BadValueError(f"no text in {name!r}")
    if not isinstance(value, str):
        raise _BadValueError(f"a {type(value).__name__} in {name!r}, where text is needed")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _BadValueError(f"half a character in {name!r}") from error
    return value


def _asked(row: RowValue, section: TaskSection) -> Iterator[tuple[str, str]]:
    """The languages and the task of a row, by column; where it says nothing, those of the section."""
    for name, key in ASKED.items():
        column = getattr(section, key)
        if column is None:
            continue
        value = row.get(column) or getattr(section, name, None)
        if value is None:
            raise _BadValueError(f"no {name.rpartition('_')[2]} in {column!r}")
        yield name, _text(value, column)
