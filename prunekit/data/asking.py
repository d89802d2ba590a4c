"""How single rows are asked: each in its own languages, and of a speech model for its own task."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from datasets import Dataset

from prunekit.data.table import MORE


@dataclass(frozen=True)
class Asking:
    """In which languages a row is asked. Example: ``Asking("eng_Latn", "deu_Latn")``, English to German.

    `task` is a speech model's, ``transcribe`` or ``translate``; None is whatever holds for all rows.
    """

    source: str | None = None
    target: str | None = None
    task: str | None = None

    @property
    def spelled(self) -> str:
        """For reports. Example: ``eng_Latn to deu_Latn``, ``de, translate``, ``de``."""
        one = self.task is not None or self.source == self.target
        languages = (self.source or self.target,) if one else (self.source, self.target)
        return ", ".join(filter(None, (" to ".join(filter(None, languages)), self.task)))


def askings_of(rows: Dataset, otherwise: Asking) -> list[Asking] | None:
    """How every row is asked, by the table's columns; `otherwise` where there is no such column, None without any."""
    columns = {"source_language": otherwise.source, "target_language": otherwise.target, "speech_task": otherwise.task}
    if not set(columns) & set(rows.column_names):
        return None
    values = [
        rows[name][:] if name in rows.column_names else [constant] * len(rows) for name, constant in columns.items()
    ]
    return [Asking(*row) for row in zip(*values, strict=True)]


def with_askings(rows: Dataset, askings: Sequence[Asking]) -> Dataset:
    """The rows with columns that say how each is asked, in place of those that they had."""
    columns = {
        "source_language": [asking.source for asking in askings],
        "target_language": [asking.target for asking in askings],
        "speech_task": [asking.task for asking in askings],
    }
    other = rows.remove_columns([name for name in columns if name in rows.column_names])
    for name, values in columns.items():
        other = other.add_column(name, values, feature=MORE[name])
    return other


def alike(askings: Iterable[Asking]) -> dict[Asking, list[int]]:
    """The numbers of the rows that are asked in each way, in the order of their first rows."""
    found: dict[Asking, list[int]] = {}
    for number, asking in enumerate(askings):
        found.setdefault(asking, []).append(number)
    return found


def asked_alike(
    askings: Sequence[Asking] | None, order: Sequence[int], size: int
) -> list[tuple[Asking | None, list[int]]]:
    """Batches of at most `size` row numbers, in this order, whose rows are asked alike, and how.

    Batches stand in the order of their first rows, so that the longest row comes first where it does in `order`.
    """
    if askings is None:
        return [(None, list(order[start : start + size])) for start in range(0, len(order), size)]
    groups = alike(askings[row] for row in order)
    batches = [
        (asking, places[start : start + size])
        for asking, places in groups.items()
        for start in range(0, len(places), size)
    ]
    batches.sort(key=lambda batch: batch[1][0])
    return [(asking, [order[place] for place in places]) for asking, places in batches]
