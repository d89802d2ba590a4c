"""The public door: names are imported when they are asked for, and not before."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import prunekit

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_version_is_that_of_the_distribution():
    assert prunekit.__version__ == PROJECT["version"]


def test_an_unknown_name_is_refused_as_python_does():
    with pytest.raises(AttributeError, match="module 'prunekit' has no attribute 'nothing_of_this_name'"):
        _ = prunekit.nothing_of_this_name


def test_an_import_and_the_version_need_no_torch():
    code = (
        "import sys, prunekit; prunekit.__version__, prunekit.hookimpl, prunekit.Metric; "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
