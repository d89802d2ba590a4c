"""Encoded datasets: numbers in one array, and batches of the right rows."""

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from prunekit.data.encoded import EncodedDataset, RaggedInts, collate_batches, grouping_keys, to_device


@given(st.lists(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5), max_size=6))
def test_ragged_integers_are_the_lists_they_were_made_of(lists):
    ragged = RaggedInts(iter(lists))
    assert list(ragged) == lists
    assert ragged.lengths == [len(each) for each in lists]


@pytest.mark.parametrize("index", [-1, 2])
def test_there_is_nothing_beyond_the_last_list(index):
    with pytest.raises(IndexError):
        RaggedInts([[1], [2, 3]])[index]


def test_a_row_has_its_source_labels_and_number():
    rows = EncodedDataset(["a", "bcd", "ef"], [1, 3, 2], [[7], [], [8, 9]])
    assert len(rows) == 3
    assert rows[2] == {"source": "ef", "labels": [8, 9], "index": 2}
    assert rows.by_length() == [1, 2, 0]


def test_batches_have_the_rows_asked_for_in_the_models_precision():
    rows = EncodedDataset(["a", "bcd", "ef"], [1, 3, 2], [[7], [8], [9]])
    model = nn.Linear(1, 1, dtype=torch.bfloat16)
    model.device, model.dtype = torch.device("cpu"), torch.bfloat16

    def collate(chosen):
        number = torch.tensor([row["index"] for row in chosen])
        return {"index": number, "feature": number.float()}

    batches = list(collate_batches(rows, rows.by_length(), 2, collate, model))
    assert [batch["index"].tolist() for batch in batches] == [[1, 2], [0]]
    assert {batch["feature"].dtype for batch in batches} == {torch.bfloat16}
    assert batches[0]["index"].dtype == torch.int64
    assert to_device({}, model) == {}


def padded_share(rows, key):
    """Places over tokens of both sides, in batches of sixteen rows in the order of `key`."""
    order = sorted(range(len(rows)), key=lambda row: key[row])
    shares = []
    for side in (0, 1):
        batches = [[rows[n][side] for n in order[start : start + 16]] for start in range(0, len(order), 16)]
        shares.append(sum(len(batch) * max(batch) for batch in batches) / sum(map(sum, batches)))
    return shares


def test_rows_of_like_lengths_on_both_sides_are_neighbours():
    chance = random.Random(0)
    sources = [chance.randint(3, 60) for _ in range(2000)]
    rows = [(source, max(1, round(source * chance.uniform(0.5, 1.5)))) for source in sources]
    by_source = padded_share(rows, sources)
    by_both = padded_share(rows, grouping_keys(sources, [target for _, target in rows]))
    assert by_both[1] < by_source[1] - 0.2
    assert by_both[0] < 1.15
    assert sum(by_both) < sum(by_source)


def test_few_rows_and_none_have_keys_too():
    assert grouping_keys([], []) == []
    assert len(grouping_keys([5], [2])) == 1
    keys = grouping_keys([7] * 4, [3, 1, 2, 1])
    assert keys[1] == keys[3] < keys[2] < keys[0]
