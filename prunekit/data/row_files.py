"""Files of rows: JSONL, CSV, TSV and Parquet, and data sets of the `datasets` library by their id.

Text files are read here, without guessing types: the library's functions turn "2020-05-01" in a JSONL file into a date,
and "null" or "007" in a CSV file into None or 7. Nothing is cached.
"""

import csv
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets

from prunekit._support.suggest import hint
from prunekit.errors import PrunekitError, one_line

RawRows = Iterable[Mapping[str, object]]

_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?(:[\w.-]+){0,2}")


def read_rows(origin: str, splits: Sequence[str]) -> RawRows:
    """The rows of a local file, or else of a data set id, from the first of `splits` that the data set has.

    An id may name its configuration and then its split: ``wmt16:ro-en``, ``wmt16:ro-en:validation``. Raises
    `PrunekitError` in one sentence for whatever cannot be read.
    """
    path = Path(origin).expanduser()
    if path.exists():
        return _file_rows(path)
    if path.suffix.lower() in FORMATS or not _HUB_ID.fullmatch(origin):
        raise PrunekitError(f"There is no file {origin!r}; give a JSONL, CSV, TSV or Parquet file, or a data set id.")
    return _hub_rows(origin, splits)


def _file_rows(path: Path) -> Iterator[Mapping[str, object]]:
    read = FORMATS.get(path.suffix.lower())
    if path.is_dir() or read is None:
        what = "a directory" if path.is_dir() else "not a file of a known kind"
        raise PrunekitError(f"{str(path)!r} is {what}; name a file that ends in {', '.join(FORMATS)}.")
    try:
        yield from read(path)
    except UnicodeDecodeError as error:
        raise PrunekitError(f"{str(path)!r} is not UTF-8 text (byte {error.start} is not); re-encode it.") from error
    except OSError as error:
        raise PrunekitError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error


def _json_rows(path: Path) -> Iterator[Mapping[str, object]]:
    """One object per line; a file that starts with a bracket is one list of objects."""
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if number == 1 and line.lstrip().startswith("["):
                yield from _json_objects(line + lines.read(), path, number)
            elif line.strip():
                yield from _json_objects(line, path, number)


def _json_objects(text: str, path: Path, line: int) -> Iterator[Mapping[str, object]]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise PrunekitError(f"Line {line} of {str(path)!r} is not valid JSON: {error}.") from error
    for row in value if isinstance(value, list) else [value]:
        if not isinstance(row, dict):
            raise PrunekitError(f"Line {line} of {str(path)!r} is not a JSON object of columns to values.")
        yield _flat_row(row)


def _flat_row(row: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested columns by dotted names, as `_flat` has them in tables: ``{"a": {"b": 1}}`` is ``{"a.b": 1}``."""
    flat: dict[str, object] = {}
    for name, value in row.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flat_row(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _separated_rows(separator: str) -> Callable[[Path], Iterator[Mapping[str, object]]]:
    def read(path: Path) -> Iterator[Mapping[str, object]]:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, delimiter=separator, strict=True)
            try:
                for row in rows:
                    if None in row or None in row.values():
                        fields = len(rows.fieldnames or ())
                        raise csv.Error(f"it does not have {fields} fields like the header")
                    yield row
            except csv.Error as error:
                raise PrunekitError(f"Line {rows.reader.line_num} of {str(path)!r} is malformed: {error}.") from error

    return read


def _parquet_rows(path: Path) -> Iterator[Mapping[str, object]]:
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


FORMATS: Mapping[str, Callable[[Path], Iterator[Mapping[str, object]]]] = {
    ".csv": _separated_rows(","),
    ".json": _json_rows,
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
    ".parquet": _parquet_rows,
    ".tsv": _separated_rows("\t"),
}


def _hub_rows(origin: str, splits: Sequence[str]) -> RawRows:
    """Rows of a data set by id; the `datasets` library runs no code of a repository since version 4."""
    name, config, split = [*origin.split(":"), None, None][:3]
    try:
        present = datasets.load_dataset(name, config)
    except Exception as error:  # the library, its HTTP client and its readers raise some twenty types
        raise PrunekitError(
            f"{origin!r} is neither a file here nor a data set that can be loaded: {_reason(error)}"
        ) from error
    candidates = [split] if split else splits
    found = next((candidate for candidate in candidates if candidate in present), None)
    if found is None:
        raise PrunekitError(f"The data set {name!r} has no split {candidates[0]!r}; {hint(candidates[0], present)}")
    return _flat(present[found])


def _flat(table: Any) -> RawRows:
    """Nested columns by dotted names (``translation.en``)."""
    flat: RawRows = table.flatten()
    return flat


def _reason(error: BaseException) -> str:
    """The innermost cause in one line that ends in a full stop."""
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(error).rstrip(".") + "."
