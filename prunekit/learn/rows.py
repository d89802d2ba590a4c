"""Training rows in flat arrays, because a trainer asks for them one by one, millions of times."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch.utils.data import Dataset as TorchDataset


class Rows(TorchDataset[dict[str, Any]]):
    """Encoded pairs as ``{"input_ids": [...], "labels": [...], "index": n}``; a row costs microseconds.

    A `datasets.Dataset` takes a millisecond for each length that a sampler wants to know, minutes for 100,000 rows.
    """

    def __init__(self, rows: Dataset):
        self._columns = {name: _flat(rows[name][:]) for name in ("input_ids", "labels")}
        self._count = len(rows)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < self._count:
            raise IndexError(index)
        row: dict[str, Any] = {"index": index}
        for name, (values, ends) in self._columns.items():
            row[name] = values[ends[index] : ends[index + 1]].tolist()
        return row


def _flat(rows: list[list[int]]) -> tuple[Any, list[int]]:
    """All values in one array, and where each row begins, with the end of the last."""
    values = np.fromiter((value for row in rows for value in row), dtype=np.int32)
    return values, [0, *accumulate(len(row) for row in rows)]


def collated(
    rows: Rows, order: Sequence[int], size: int, collate: Callable[[list[dict[str, Any]]], Any], device: torch.device
) -> list[dict[str, Any]]:
    """The rows with these numbers, `size` at a time, collated and on `device`; the last batch may be smaller."""
    parts = [[rows[n] for n in order[start : start + size]] for start in range(0, len(order), size)]
    return [{key: value.to(device) for key, value in collate(part).items()} for part in parts]
