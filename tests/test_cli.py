"""The boundary: every failure is one sentence on stderr with its exit code; a traceback comes only when asked for."""

import errno
import os
import signal
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from prunekit import PrunekitError
from prunekit._support.stopping import Stopped
from prunekit.cli import app


def answer(monkeypatch, error, *words):
    """What ``prunekit run`` answers when the run raises `error`."""

    def fail(data):
        raise error

    monkeypatch.setattr("prunekit.commands.run.start", fail)
    return CliRunner().invoke(app, ["run", *words])


class OutOfMemoryError(RuntimeError):
    """What torch raises, by name."""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PrunekitError("The moon is full."), "The moon is full."),
        (OSError(errno.ENOSPC, "No space left on device"), "There is no space left to write to"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "There is no space left to write to"),
        (
            RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
            "There is no space left",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "out"), "out: Permission denied; check that"),
        (OutOfMemoryError("CUDA out of memory"), "The device ran out of memory; try --set training.batch=N"),
        (KeyError("oops"), "Something unforeseen happened (KeyError: 'oops'); --debug shows where."),
    ],
)
def test_failures_are_one_sentence_and_exit_code_1(monkeypatch, error, sentence):
    result = answer(monkeypatch, error)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {sentence}")
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_debug_shows_the_traceback_and_the_sentence(monkeypatch):
    result = answer(monkeypatch, PrunekitError("The moon is full."), "--debug")
    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.splitlines()[-1] == "error: The moon is full."


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (Stopped(signal.SIGINT), 130, "interrupted"),
        (Stopped(signal.SIGTERM), 143, "stopped by SIGTERM"),
    ],
)
def test_an_interrupted_run_says_that_it_resumes(monkeypatch, error, code, said):
    result = answer(monkeypatch, error)
    assert result.exit_code == code
    assert result.stderr.strip() == f"{said}; the same command resumes it."


def test_a_signal_ends_a_command_in_order(monkeypatch):
    left = []

    def work(data):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pthread_sigmask(signal.SIG_BLOCK, ())  # the signal is delivered here at the latest
        finally:
            left.append("in order")

    monkeypatch.setattr("prunekit.commands.run.start", work)
    result = CliRunner().invoke(app, ["run"])
    assert result.exit_code == 143
    assert left == ["in order"]


def test_one_of_several_processes_is_refused_by_every_command(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    result = CliRunner().invoke(app, ["list"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: A launcher such as torchrun started 4 processes")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["inspec"], "No such command 'inspec'"),
        (["run", "--strateg", "nash"], "--strategy"),
        (["run", "--encoder-sparsity", "much"], "--encoder-sparsity"),
        (["inspect"], "MODEL"),
        (["list", "plugins"], "adapters"),
    ],
)
def test_wrong_usage_is_exit_code_2(words, hint):
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert hint in result.stderr
    assert "Traceback" not in result.stderr


def test_version():
    assert CliRunner().invoke(app, ["--version"]).stdout == f"prunekit {version('prunekit')}\n"


COMMANDS = (
    "run",
    "compare",
    "front",
    "list",
    "inspect",
    "predict",
    "check",
    "new-adapter",
    "eval",
    "label",
    "export",
    "vocabulary",
)


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)])
def test_help_fits_a_terminal_of_a_hundred_columns(words):
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "100", "TERMINAL_WIDTH": "100"})
    assert result.exit_code == 0
    assert "Usage: prunekit" in result.stdout
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    prose = [line.split() for line in lines if line.strip() and line[0] == " "]
    orphans = [line for line in prose if len(line) == 1]
    assert orphans == [], "end a sentence and its line together: help keeps the line breaks of docstrings"
    assert {command.name for command in app.registered_commands} == set(COMMANDS)


def test_a_process_ends_as_promised(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("tasc: {}\n")
    done = subprocess.run(
        [sys.executable, "-m", "prunekit", "run", str(recipe), "--output", str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: There is no key 'tasc' here; did you mean 'task'?\n"
    assert not (tmp_path / "out").exists()
