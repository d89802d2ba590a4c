"""Encoded datasets: what a model reads and should answer as numbers, for trainers that ask millions of times."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
from torch.utils.data import Dataset as TorchDataset

from prunekit.data.asking import Asking, asked_alike

SOURCE_GROUPS = 8
"""Groups of like source length that rows are split into before targets count, see `grouping_keys`."""


class RaggedInts(Sequence[list[int]]):
    """Lists of integers in one array. Example: ``RaggedInts([[3, 1], [4]])[1]`` is ``[4]``, in microseconds.

    A `datasets.Dataset` takes a millisecond per row, minutes for 100,000 of them. `lengths` are those of the lists.
    """

    def __init__(self, lists: Iterable[Sequence[int]]):
        values = array("i")
        self.lengths: list[int] = []
        for each in lists:
            values.extend(each)
            self.lengths.append(len(each))
        self._values = np.frombuffer(values, dtype=np.int32) if values else np.zeros(0, dtype=np.int32)
        self._ends = [0, *accumulate(self.lengths)]

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._values[self._ends[index] : self._ends[index + 1]].tolist()


@dataclass(frozen=True)
class Side:
    """What encoding met on one side of a data set. Example: of 8 sources, `lengths` of which 5 exceed `limit`.

    `lengths` count tokens before any were cut, `unknown` the tokens that stand for what the tokenizer does not know.
    """

    lengths: tuple[int, ...] = ()
    limit: int | None = None
    unknown: int = 0

    @property
    def cut(self) -> int:
        """How many rows were cut."""
        return sum(length > self.limit for length in self.lengths) if self.limit is not None else 0


class SideCounter:
    """Counts lengths and unknown tokens while rows are encoded."""

    def __init__(self, unknown: int | None):
        self.unknown = unknown
        self._lengths: list[int] = []
        self._found = 0

    def count(self, ids: list[int]) -> None:
        """Count one row, before it is cut."""
        self._lengths.append(len(ids))
        if self.unknown is not None:
            self._found += ids.count(self.unknown)

    def side(self, limit: int) -> Side:
        """What was counted, and the limit that rows were cut to."""
        return Side(tuple(self._lengths), limit, self._found)


class EncodedDataset(TorchDataset[dict[str, Any]]):
    """Encoded rows of a task. Example: row 3 is ``{"source": [7, 1], "labels": [9, 4, 1], "index": 3}``.

    A source is whatever the processor pads to a batch: token ids, or the samples of a recording. `lengths` are those of
    the sources, known without opening them; rows of like length share a batch. `source_side` and `target_side` say
    what was cut and what was unknown. `askings` say how every row is asked, where they are not all asked alike.
    """

    def __init__(
        self,
        sources: Sequence[Any],
        lengths: Sequence[int],
        labels: Sequence[Sequence[int]],
        source_side: Side | None = None,
        target_side: Side | None = None,
        askings: Sequence[Asking] | None = None,
    ):
        self.sources = sources
        self.lengths = list(lengths)
        self.labels = labels if isinstance(labels, RaggedInts) else RaggedInts(labels)
        self.source_side = source_side or Side()
        self.target_side = target_side or Side()
        self.askings = askings

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        labels = self.labels[index]
        return {"source": self.sources[index], "labels": labels, "index": index}

    @cached_property
    def grouping_keys(self) -> list[int]:
        """The rows' `grouping_keys`: batches of neighbours need little padding on either side."""
        return grouping_keys(self.lengths, self.labels.lengths)

    def by_length(self) -> list[int]:
        """The rows' numbers, the longest source first."""
        return sorted(range(len(self)), key=lambda row: -self.lengths[row])

    def asked_alike(self, order: Sequence[int], size: int) -> list[tuple[Asking | None, list[int]]]:
        """Batches of at most `size` rows that are asked alike, and how; None is as the processor's section says."""
        return asked_alike(self.askings, order, size)


def cut_target(ids: list[int], limit: int, language_behind: bool) -> list[int]:
    """The first `limit` ids; a language that stands behind a text, from where models take it, stays there."""
    if len(ids) <= limit:
        return ids
    return [*ids[: limit - 1], ids[-1]] if language_behind else ids[:limit]


def grouping_keys(sources: Sequence[int], targets: Sequence[int]) -> list[int]:
    """A number per row by which rows of like source and like target length are neighbours.

    `sources` and `targets` are the rows' lengths. Rows are split into `SOURCE_GROUPS` of like source length, and are
    ordered by target length in each: grouped by source alone, a batch's targets are padded by a third and more (G2P:
    35%, here 11% for 4% more of the sources).
    """
    lengths = np.array(sources)
    edges: Any = np.unique(np.quantile(lengths, np.arange(1, SOURCE_GROUPS) / SOURCE_GROUPS)) if len(lengths) else []
    groups = np.searchsorted(edges, lengths)
    both = groups * (max(targets, default=0) + 1) + np.array(targets, dtype=int)
    keys: list[int] = (both * (max(sources, default=0) + 1) + lengths).tolist()
    return keys


Collate = Callable[[list[dict[str, Any]]], dict[str, Any]]


def to_device(batch: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """A batch's tensors on the device of `model`; those of floating point in its precision."""
    precision = {True: model.dtype}
    return {key: value.to(model.device, precision.get(value.is_floating_point())) for key, value in batch.items()}


def collate_batches(
    rows: EncodedDataset, order: Iterable[int], size: int, collate: Collate, model: Any
) -> Iterator[dict[str, Any]]:
    """The rows with these numbers, `size` at a time, collated for `model`; the last batch may be smaller."""
    numbers = list(order)
    for start in range(0, len(numbers), size):
        yield to_device(collate([rows[n] for n in numbers[start : start + size]]), model)
