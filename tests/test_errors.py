"""Errors and values in one line."""

import pytest

from prunekit.errors import error_line, one_line


def test_a_text_of_several_lines_becomes_one():
    assert one_line("two\n   lines\tand  more ") == "two lines and more"
    assert one_line(ValueError("first\nsecond")) == "first second"


@pytest.mark.parametrize(("limit", "text"), [(None, "abcdef"), (6, "abcdef"), (5, "abcde ...")])
def test_a_long_text_is_cut_and_marked(limit, text):
    assert one_line("abcdef", limit) == text


def test_an_error_is_named_by_its_type():
    assert error_line(KeyError("layers")) == "KeyError: 'layers'"
    assert error_line(ValueError("one\ntwo")) == "ValueError: one two"
    assert error_line(SystemExit()) == "SystemExit"
    assert error_line(ValueError("x" * 50), limit=15) == "ValueError: xxx ..."
