"""The display: bars in a terminal, one line for every tenth elsewhere."""

import io

import pytest

from prunekit.commands import progress
from prunekit.commands.progress import Display, figures_text


@pytest.fixture
def shown(monkeypatch):
    """Where the display writes."""
    text = io.StringIO()
    monkeypatch.setattr(progress.ERR, "_file", text)
    return text


def test_a_line_for_every_tenth_where_there_is_no_terminal(shown):
    with Display() as display:
        for step in range(1, 201):
            display("learn", step, 200, {"loss": 1 / step})
        display("recover", 3, 3, {})
    lines = shown.getvalue().splitlines()
    assert lines[0] == "learn: 1/200  loss 1.000"
    assert lines[1] == "learn: 20/200  loss 0.050"
    assert lines[10] == "learn: 200/200  loss 0.005"
    assert lines[11:] == ["recover: 3/3"]


def test_a_bar_per_stage_in_a_terminal(shown, monkeypatch):
    monkeypatch.setattr(progress.ERR, "_force_terminal", True)
    monkeypatch.setattr(progress.ERR, "_width", 120)
    with Display() as display:
        display("learn", 1, 2, {"loss": 0.5})
        display("learn", 2, 2, {"loss": 0.25})
        display("speed", 1, 4, {})
    last = shown.getvalue().rpartition("learn")[2]
    assert "2/2" in last
    assert "loss 0.250" in last
    assert "1/4" in last


def test_figures_that_tell_nothing_are_left_out():
    figures = {"loss": 0.4321, "learning_rate": 1e-3, "epoch": 0.1, "encoder_sparsity": 0.25, "train_runtime": 3.0}
    assert figures_text(figures) == "loss 0.432  encoder_sparsity 0.250"
