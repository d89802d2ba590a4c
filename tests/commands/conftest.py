"""The command line, called in this process."""

import pytest
from typer.testing import CliRunner

from prunekit.cli import app
from prunekit.commands.console import ERR, OUT


@pytest.fixture
def prunekit(monkeypatch):
    """Call ``prunekit`` with words; the answer has `exit_code`, `stdout` and `stderr`, in lines of 150 characters."""
    for name in ("TRANSFORMERS_VERBOSITY", "DATASETS_VERBOSITY", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(name, "1" if "BARS" in name else "error")
    for console in (OUT, ERR):
        monkeypatch.setattr(console, "_width", 150)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def on_pairs(pairs):
    """The flags that name the pairs as data."""
    return ("--eval", pairs, "--source", "a", "--target", "b", "--metric", "exact_match")


@pytest.fixture
def broken(install):
    """Plugins that cannot be used, one for every way to be broken, beside the ones that can."""
    hook = "from prunekit import hookimpl\n@hookimpl\ndef prunekit_{}(): return {}\n"
    install("torn", "def f(:\n    pass", "prunekit.strategies")
    install("hungry", "import nowhere_to_be_found", "prunekit.strategies")
    install("odd", hook.format("strategy", "42"), "prunekit.strategies")
    install("twice", "", "prunekit.adapters")
    install("twice", "", "prunekit.adapters", distribution="neighbour")
