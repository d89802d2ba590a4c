"""Encoded datasets: numbers in one array, and batches of the right rows."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from prunekit.data.encoded import EncodedDataset, RaggedInts, collate_batches, to_device


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
