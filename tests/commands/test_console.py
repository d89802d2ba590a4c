"""Where commands print."""

import io
import logging

import pytest

from prunekit.commands import console
from prunekit.commands.console import StderrHandler


@pytest.fixture
def stderr(monkeypatch):
    text = io.StringIO()
    monkeypatch.setattr(console.ERR, "_file", text)
    return text


@pytest.mark.parametrize(
    ("level", "message", "line"),
    [
        (logging.INFO, "3 rows are [bold]cut[/bold]", "info: 3 rows are [bold]cut[/bold]\n"),
        (logging.WARNING, "a" * 300, f"warning: {'a' * 300}\n"),
    ],
)
def test_messages_are_lines_as_they_were_written(stderr, level, message, line):
    log = logging.Logger("test")
    log.addHandler(StderrHandler())
    log.log(level, message)
    assert stderr.getvalue() == line
