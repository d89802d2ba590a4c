"""Files of rows: JSONL, CSV, TSV and Parquet, and data sets of the `datasets` library by their id.

Text files are read here, without guessing types: the library's functions turn "2020-05-01" in a JSONL file into a date,
and "null" or "007" in a CSV file into None or 7. Nothing is cached.
"""

import csv
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets

from prunekit._support.suggest import hint
from prunekit.errors import PrunekitError, one_line


@dataclass(frozen=True)
class MalformedRow:
    """A row that cannot be read, and why. Example: ``MalformedRow("line 7", "not valid JSON")``."""

    where: str
    what: str


RawRow = Mapping[str, object] | MalformedRow
RawRows = Iterable[RawRow]

csv.field_size_limit(2**31 - 1)  # whole documents are longer than the module's 131,072 characters

_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?(:[\w.-]+){0,2}")


def read_rows(origin: str, splits: Sequence[str], streaming: bool = False) -> RawRows:
    """The rows of a local file, or else of a data set, from the first of `splits` that the data set has.

    A data set is a directory that `datasets` saved, which may be followed by a split (``saved/:validation``), or an id,
    which may name its configuration and then its split: ``wmt16:ro-en``, ``wmt16:ro-en:validation``. With `streaming`
    a data set by its id is read row by row, not stored first. Raises `PrunekitError` in one sentence for whatever
    cannot be read.
    """
    path = Path(origin).expanduser()
    folder, _, split = origin.rpartition(":")
    if path.is_dir():
        return _saved_rows(path, splits)
    if path.exists():
        return _file_rows(path)
    if folder and Path(folder).expanduser().is_dir():
        return _saved_rows(Path(folder).expanduser(), [split])
    if path.suffix.lower() in FORMATS or not _HUB_ID.fullmatch(origin):
        raise PrunekitError(f"There is no file {origin!r}; give a JSONL, CSV, TSV or Parquet file, or a data set id.")
    return _hub_rows(origin, splits, streaming)


def _file_rows(path: Path) -> Iterator[RawRow]:
    read = FORMATS.get(path.suffix.lower())
    if read is None:
        raise PrunekitError(f"{str(path)!r} is not a file of a known kind; name one that ends in {', '.join(FORMATS)}.")
    try:
        yield from read(path)
    except UnicodeDecodeError as error:
        raise PrunekitError(f"{str(path)!r} is not UTF-8 text (byte {error.start} is not); re-encode it.") from error
    except OSError as error:
        raise PrunekitError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error


def _json_rows(path: Path) -> Iterator[RawRow]:
    """One object per line; a file that starts with a bracket is one list of objects."""
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if number == 1 and line.lstrip().startswith("["):
                yield from _json_objects(line + lines.read(), path, number)
            elif line.strip():
                yield from _json_objects(line, path, number)


def _json_objects(text: str, path: Path, line: int) -> Iterator[RawRow]:
    """The object of one line, or those of a list; a list that is no JSON is none at all."""
    try:
        value = json.loads(text)
    except ValueError as error:
        if text.lstrip().startswith("["):
            raise PrunekitError(f"{str(path)!r} is not valid JSON: {error}.") from error
        yield MalformedRow(f"line {line}", f"not valid JSON: {error}")
        return
    for number, row in enumerate(value if isinstance(value, list) else [value], 1):
        if isinstance(row, dict):
            yield _flat_row(row)
        else:
            where = f"item {number} of line {line}" if isinstance(value, list) else f"line {line}"
            yield MalformedRow(where, "no JSON object of columns to values")


def _flat_row(row: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested columns by dotted names, as `_flat` has them in tables: ``{"a": {"b": 1}}`` is ``{"a.b": 1}``."""
    flat: dict[str, object] = {}
    for name, value in row.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flat_row(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _header(rows: "csv.DictReader[str]", path: Path) -> Sequence[str]:
    """The names of the columns; raises `PrunekitError` where they are malformed."""
    try:
        return rows.fieldnames or ()
    except csv.Error as error:
        raise PrunekitError(f"Line 1 of {str(path)!r} is malformed: {error}.") from error


def _separated_rows(separator: str) -> Callable[[Path], Iterator[RawRow]]:
    def read(path: Path) -> Iterator[RawRow]:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, delimiter=separator, strict=True)
            if not _header(rows, path):
                return
            while True:
                try:
                    row = next(rows, None)
                except csv.Error as error:
                    yield MalformedRow(f"line {rows.reader.line_num}", f"malformed: {error}")
                    continue
                if row is None:
                    return
                if None in row or None in row.values():
                    fields = len(rows.fieldnames or ())
                    line = f"line {rows.reader.line_num}"
                    yield MalformedRow(line, f"malformed: it does not have {fields} fields like the header")
                else:
                    yield row

    return read


def _parquet_rows(path: Path) -> Iterator[RawRow]:
    level = datasets.utils.logging.get_verbosity()
    datasets.utils.logging.set_verbosity(datasets.utils.logging.CRITICAL)  # it would log what the error says
    try:
        with tempfile.TemporaryDirectory() as cache:
            table = datasets.Dataset.from_parquet(str(path), cache_dir=cache, keep_in_memory=True)
    except OSError:
        raise
    except Exception as error:  # Arrow's and the builder's errors have no common ancestor
        raise PrunekitError(f"{str(path)!r} is not a readable Parquet file: {_reason(error)}") from error
    finally:
        datasets.utils.logging.set_verbosity(level)
    yield from _flat(table)


SAVED = ("dataset_dict.json", "state.json")
"""The files by which a directory that `datasets` saved is known."""

FORMATS: Mapping[str, Callable[[Path], Iterator[RawRow]]] = {
    ".csv": _separated_rows(","),
    ".json": _json_rows,
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
    ".parquet": _parquet_rows,
    ".tsv": _separated_rows("\t"),
}


def _saved_rows(path: Path, splits: Sequence[str]) -> RawRows:
    """Rows of a directory that ``save_to_disk`` of the `datasets` library wrote, one set or several."""
    if not any((path / name).is_file() for name in SAVED):
        raise PrunekitError(
            f"{str(path)!r} is a directory, but no data set that was saved by save_to_disk; name one, or a file that "
            f"ends in {', '.join(FORMATS)}."
        )
    try:
        present = datasets.load_from_disk(str(path))
    except Exception as error:  # Arrow's, the library's and the file system's have no common ancestor
        raise PrunekitError(f"{str(path)!r} is not a readable data set: {_reason(error)}") from error
    return _flat(_one_set(present, str(path), splits) if isinstance(present, datasets.DatasetDict) else present)


def _hub_rows(origin: str, splits: Sequence[str], streaming: bool) -> RawRows:
    """Rows of a data set by id; the `datasets` library runs no code of a repository since version 4."""
    name, config, split = [*origin.split(":"), None, None][:3]
    how: dict[str, Any] = {"streaming": True} if streaming else {}
    try:
        present = datasets.load_dataset(name, config, **how)
    except Exception as error:  # the library, its HTTP client and its readers raise some twenty types
        raise PrunekitError(
            f"{origin!r} is neither a file here nor a data set that can be loaded: {_reason(error)}"
        ) from error
    return _flat(_one_set(present, str(name), [split] if split else splits))


def _one_set(present: Mapping[Any, Any], name: str, candidates: Sequence[str]) -> Any:
    """The first of these splits that a data set has."""
    found = next((candidate for candidate in candidates if candidate in present), None)
    if found is None:
        raise PrunekitError(f"The data set {name!r} has no split {candidates[0]!r}; {hint(candidates[0], present)}")
    return present[found]


def _flat(table: Any) -> RawRows:
    """Nested columns by dotted names (``translation.en``); recordings and images as they are stored."""
    for name, feature in (table.features or {}).items():
        if getattr(feature, "decode", False):
            table = table.cast_column(name, replace(feature, decode=False))
    flat: RawRows = table.flatten() if isinstance(table, datasets.Dataset) else map(_flat_row, table)
    return flat


def _reason(error: BaseException) -> str:
    """The innermost cause in one line that ends in a full stop."""
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(error).rstrip(".") + "."
