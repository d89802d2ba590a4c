"""Encoded rows: what a model reads and should answer, by number, for trainers that ask millions of times."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from torch.utils.data import Dataset as TorchDataset


class RaggedInts(Sequence[list[int]]):
    """Lists of integers in one array. Example: ``Flat([[3, 1], [4]])[1]`` is ``[4]``, in microseconds.

    A `datasets.Dataset` takes a millisecond for each row, minutes for 100,000 of them.
    """

    def __init__(self, rows: Sequence[Sequence[int]]):
        self.lengths = [len(row) for row in rows]
        self._values = np.fromiter((value for row in rows for value in row), dtype=np.int32)
        self._ends = [0, *accumulate(self.lengths)]

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._values[self._ends[index] : self._ends[index + 1]].tolist()


class EncodedDataset(TorchDataset[dict[str, Any]]):
    """Encoded pairs as ``{"source": ..., "labels": [...], "index": n}``.

    A source is whatever the reader that made the rows pads to a batch: token ids, or the samples of a recording.
    `lengths` say how long the sources are without opening them; rows of like length share a batch.
    """

    def __init__(self, sources: Sequence[Any], lengths: Sequence[int], labels: Sequence[Sequence[int]]):
        self.sources, self.lengths, self.labels = sources, list(lengths), RaggedInts(labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        labels = self.labels[index]
        return {"source": self.sources[index], "labels": labels, "index": index}

    def by_length(self) -> list[int]:
        """The rows' numbers, the longest first."""
        return sorted(range(len(self)), key=lambda row: -self.lengths[row])


Collate = Callable[[list[dict[str, Any]]], dict[str, Any]]


def to_device(batch: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """A batch's tensors on the device of `model`, and in its precision where they are no integers."""
    precision = {True: model.dtype}
    return {key: value.to(model.device, precision.get(value.is_floating_point())) for key, value in batch.items()}


def collate_batches(
    rows: EncodedDataset, order: Iterable[int], size: int, collate: Collate, model: Any
) -> Iterator[dict[str, Any]]:
    """The rows with these numbers, `size` at a time, collated for `model`; the last batch may be smaller."""
    numbers = list(order)
    for start in range(0, len(numbers), size):
        yield to_device(collate([rows[n] for n in numbers[start : start + size]]), model)
