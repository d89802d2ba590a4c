"""The log of answers: what a killed process leaves is read back, and half a line is none."""

import pytest

from prunekit.measure.answer_log import AnswerLog, WrittenAnswer

FIRST = {3: WrittenAnswer("a \u2028 b", True, 4, -0.1), 0: WrittenAnswer("", False, 1)}
SECOND = {1: WrittenAnswer('"\n', True, 3, -1e-17)}


@pytest.fixture
def log(tmp_path):
    return AnswerLog(tmp_path / "answers.jsonl")


def test_what_is_added_is_read_back_exactly(log):
    assert log.load() == {}
    log.add(FIRST)
    log.add(SECOND)
    assert AnswerLog(log.path).load() == {**FIRST, **SECOND}


@pytest.mark.parametrize("torn", [b'{"7": {"text": "x"', b'{"7": {"text": "x"}}\n', b"\0\0\0\0\n", b"[1]\n", b"{"])
def test_half_a_line_is_taken_off_and_the_next_one_stands_alone(log, torn):
    log.add(FIRST)
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + torn)
    assert log.load() == FIRST
    assert log.path.read_bytes() == whole
    log.add(SECOND)
    assert log.load() == {**FIRST, **SECOND}


def test_every_length_of_a_torn_line_is_the_same(log):
    log.add(FIRST)
    start = log.path.stat().st_size
    log.add(SECOND)
    whole = log.path.read_bytes()
    for size in range(start, len(whole)):
        log.path.write_bytes(whole[:size])
        assert log.load() == FIRST
        assert log.path.stat().st_size == start
