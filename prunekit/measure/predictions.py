"""What both models answered to every test row, kept beside a report so that other runs can be compared row by row."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset

from prunekit._support.atomic import write_text
from prunekit.errors import PrunekitError


@dataclass(frozen=True)
class Predictions:
    """Test rows with answers. Example: "speed", ["S P IY D"], "S P IY D" from the dense model, "S P EH D" pruned.

    `pruned` is empty where only the dense model was asked; `languages` are the answers', where rows have their own.
    """

    sources: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    dense: tuple[str, ...]
    pruned: tuple[str, ...] = ()
    languages: tuple[str | None, ...] | None = None

    @classmethod
    def of(cls, rows: Dataset, dense: Sequence[str], pruned: Sequence[str] = ()) -> "Predictions":
        """The answers to the rows of a task."""
        references = tuple(tuple(texts) for texts in rows["references"])
        return cls(tuple(rows["source"]), references, tuple(dense), tuple(pruned), answer_languages(rows))

    def write(self, path: Path) -> None:
        """One JSON object a line: source, references, dense and, where asked, pruned."""
        write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self._rows()))

    def _rows(self) -> Iterator[dict[str, Any]]:
        for at, (source, references, dense) in enumerate(zip(self.sources, self.references, self.dense, strict=True)):
            row: dict[str, Any] = {"source": source, "references": references, "dense": dense}
            row |= {"pruned": self.pruned[at]} if self.pruned else {}
            yield row | ({"language": self.languages[at]} if self.languages else {})

    @classmethod
    def load(cls, path: Path | str) -> "Predictions":
        """Read what `write` wrote; raises `PrunekitError` where the file is missing or malformed."""
        try:
            with Path(path).open(encoding="utf-8") as lines:
                rows = [json.loads(line) for line in lines]
            return cls(
                tuple(row["source"] for row in rows),
                tuple(tuple(row["references"]) for row in rows),
                tuple(row["dense"] for row in rows),
                tuple(row["pruned"] for row in rows if "pruned" in row),
                tuple(row["language"] for row in rows if "language" in row) or None,
            )
        except OSError as error:
            raise PrunekitError(f"The predictions {str(path)!r} cannot be read: {error.strerror}.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise PrunekitError(f"{str(path)!r} does not hold predictions, one JSON object a line.") from error


def answer_languages(rows: Dataset) -> tuple[str | None, ...] | None:
    """The language of each row's answer, where rows have languages of their own."""
    return tuple(rows["target_language"]) if "target_language" in rows.column_names else None


def dense_answers(path: Path | str, rows: Dataset) -> tuple[str, ...]:
    """The dense model's answers in a file, for exactly these rows in this order."""
    known = Predictions.load(path)
    if known.sources != tuple(rows["source"]) or known.languages != answer_languages(rows):
        raise PrunekitError(
            f"The predictions {str(path)!r} (measure.dense_predictions) are for other test rows; "
            "leave them out, or give those of a run on the same rows."
        )
    return known.dense
