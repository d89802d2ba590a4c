"""Predictions: what is written reads back, and answers to other rows are refused."""

import pytest

from prunekit.data.tasks import task_table
from prunekit.errors import PrunekitError
from prunekit.measure.predictions import Predictions, dense_answers

SEPARATORS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
"""What `str.splitlines` takes for the end of a line, and files do not."""

ROWS = task_table(["a\nb", "c"], ["x", "y"], [["x", "X"], ["y"]])


@pytest.mark.parametrize("pruned", [(), ("p", "ä")])
def test_what_is_written_reads_back(tmp_path, pruned):
    written = Predictions.of(ROWS, ["1", "2"], pruned)
    written.write(tmp_path / "answers.jsonl")
    assert Predictions.load(tmp_path / "answers.jsonl") == written
    assert dense_answers(tmp_path / "answers.jsonl", ROWS) == ("1", "2")
    assert written.references == (("x", "X"), ("y",))


def test_a_text_may_hold_every_separator_but_a_lines_end(tmp_path):
    odd = [f"a{mark}b" for mark in SEPARATORS]
    rows = task_table(odd, odd, [[text] for text in odd])
    Predictions.of(rows, odd).write(tmp_path / "answers.jsonl")
    assert dense_answers(tmp_path / "answers.jsonl", rows) == tuple(odd)


def test_answers_to_other_rows_are_refused(tmp_path):
    Predictions.of(ROWS, ["1", "2"]).write(tmp_path / "answers.jsonl")
    with pytest.raises(PrunekitError, match="are for other test rows"):
        dense_answers(tmp_path / "answers.jsonl", ROWS.select([1, 0]))


@pytest.mark.parametrize("text", ["nonsense", '["a"]', '{"source": "a"}'])
def test_a_malformed_file_is_one_sentence(tmp_path, text):
    (tmp_path / "bad.jsonl").write_text(text)
    with pytest.raises(PrunekitError, match="does not hold predictions"):
        Predictions.load(tmp_path / "bad.jsonl")
    with pytest.raises(PrunekitError, match="cannot be read"):
        Predictions.load(tmp_path / "none.jsonl")
