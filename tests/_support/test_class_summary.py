"""Summaries that are read from sources; whatever is doubtful gives none."""

import importlib
import sys
from textwrap import dedent

import pytest

from prunekit import plugins
from prunekit._support.class_summary import class_summary
from prunekit._support.entry_points import entries_by_name, source_of

GOOD = '''
import ast
from prunekit import Adapter, hookimpl

class Toy(Adapter):
    """A toy: it works.

    And more."""

@hookimpl
def prunekit_adapter() -> type[Adapter]:
    """Registered."""
    return Toy
'''


def summary(source):
    return class_summary(dedent(source), "prunekit_adapter")


def test_the_first_line_of_the_returned_class():
    assert summary(GOOD) == "A toy: it works."
    assert summary(GOOD.replace('"""A toy: it works.\n\n    And more."""', "size = 1")) == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("class Toy(Adapter)", "class Toy(Adapter"),
        ("class Toy(Adapter)", "class Toy"),
        ("class Toy", "class Other"),
        ("return Toy", "return 42"),
        ("return Toy", "return make(Toy)"),
        ("return Toy", "print(Toy)"),
        ("def prunekit_adapter", "def prunekit_adaptor"),
        ("@hookimpl", "@hookimpl\n@other"),
        ("@hookimpl", ""),
        ("import ast", "import nowhere_to_be_found"),
        ("import ast", "import ast, nowhere_to_be_found.deep"),
        ("import ast", "from nowhere_to_be_found.deep import name"),
        ("hookimpl\n", "hookimpl, Adaptor\n"),
        ("import ast", "from json import loadz"),
        ("import ast", "\x00"),
    ],
)
def test_a_doubtful_source_has_no_summary(old, new):
    assert old in GOOD
    assert summary(GOOD.replace(old, new)) is None


def test_nothing_is_imported_to_find_packages():
    assert "this" not in sys.modules
    assert summary(GOOD.replace("import ast", "import this\nfrom antigravity import fly")) == "A toy: it works."
    assert "this" not in sys.modules


def test_a_module_of_a_package_that_is_imported_already_need_not_be(tmp_path, monkeypatch):
    (tmp_path / "half_imported").mkdir()
    (tmp_path / "half_imported/__init__.py").touch()
    (tmp_path / "half_imported/inner.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("half_imported")
    assert summary(GOOD.replace("import ast", "from half_imported import inner")) == "A toy: it works."
    assert summary(GOOD.replace("import ast", "from half_imported import outer")) is None


@pytest.mark.parametrize("kind", [plugins.ADAPTERS, plugins.STRATEGIES, plugins.TASKS, plugins.METRICS])
def test_every_plugin_of_ours_is_read_without_an_import(kind):
    for name, (entry,) in entries_by_name(kind.group).items():
        expected = plugins.load(kind, name).__doc__.partition("\n")[0]
        assert class_summary(source_of(entry), kind.hook) == expected
