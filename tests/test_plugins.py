"""Plugins: names from metadata, one import at a time, and one sentence for each way that a plugin can be broken."""

import importlib
import sys

import pytest

from prunekit import Adapter, PrunekitError, plugins
from prunekit.plugins import ADAPTERS, STRATEGIES, TASKS

GOOD = """
    from prunekit import Adapter, hookimpl

    class Good(Adapter):
        '''A good one: it works.'''

    @hookimpl
    def prunekit_adapter():
        return Good
"""


def test_names_are_listed_without_importing_anything(install):
    module = install("strange", "raise RuntimeError('imported')")
    assert {"bart", "mt5", "strange", "t5"} <= set(plugins.names(ADAPTERS))
    assert module not in sys.modules


def test_only_the_chosen_plugin_is_imported(install):
    chosen, other = install("good", GOOD), install("other", GOOD, distribution="neighbour")
    plugin = plugins.load(ADAPTERS, "good")
    assert issubclass(plugin, Adapter)
    assert plugin.__module__ == chosen
    assert other not in sys.modules


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(PrunekitError, match="no adapter 'brat'; did you mean 'bart'"):
        plugins.load(ADAPTERS, "brat")
    with pytest.raises(
        PrunekitError, match=r"no strategy 'x'; there are cofi, depth, minitron, nash, shortgpt, uniform"
    ):
        plugins.load(STRATEGIES, "x")


HOOK = "from prunekit import Adapter, TaskPlugin, hookimpl\n@hookimpl\ndef prunekit_{}(): return {}\n"
LENGTHY = r"type('L', (), {'__repr__': lambda self: 'two\nlines'})()"


@pytest.mark.parametrize(
    ("source", "group", "place", "sentence"),
    [
        ("raise SystemExit('no licence')", "adapters", ", line 1", "cannot be used: SystemExit: no licence; update"),
        ("raise SystemExit", "adapters", ", line 1", "cannot be used: SystemExit; update"),
        ("x = 1\nx = (\n", "adapters", ", line 2", "cannot be used: SyntaxError: '(' was never closed; update"),
        ("import json.nowhere", "adapters", ", line 1", "cannot be used: ModuleNotFoundError: No module named 'json"),
        ("x = 1", "adapters", "", "does not implement prunekit_adapter; the hook must return"),
        (HOOK.format("adaptor", "Adapter"), "adapters", "", "PluginValidationError: unknown hook 'prunekit_adaptor'"),
        (HOOK.format("adapter", "Adapter()"), "adapters", "", "returns <prunekit.find.adapter.Adapter object"),
        (HOOK.format("adapter", LENGTHY), "adapters", "", "returns two lines from prunekit_adapter"),
        (HOOK.format("adapter", "int"), "adapters", "", "<class 'int'> from prunekit_adapter; the hook must return"),
        (HOOK.format("adapter", "1/0"), "adapters", ", line 3", "ZeroDivisionError: division by zero; update"),
        (HOOK.format("strategy", "Adapter"), "strategies", "", "the hook must return a subclass of prunekit.Strategy"),
        (
            HOOK.format("task", "TaskPlugin"),
            "tasks",
            "",
            "subclass of prunekit.TaskPlugin that implements all of its abstract methods",
        ),
    ],
)
def test_a_broken_plugin_is_one_sentence_with_distribution_and_file(install, source, group, place, sentence):
    module = install("broken", source, f"prunekit.{group}")
    kind = {"adapters": ADAPTERS, "strategies": STRATEGIES, "tasks": TASKS}[group]
    with pytest.raises(PrunekitError) as caught:
        plugins.load(kind, "broken")
    said = str(caught.value)
    assert said.startswith(f"The {kind.noun} 'broken' of the distribution 'outsider' ({module}.py{place}) ")
    assert sentence in said
    assert said.endswith(".")
    assert "\n" not in said


def test_a_package_that_a_plugin_needs_is_named(install):
    install("hungry", "import sys\nimport nowhere_to_be_found.deep")
    with pytest.raises(PrunekitError) as caught:
        plugins.load(ADAPTERS, "hungry")
    assert str(caught.value) == (
        "The adapter 'hungry' of the distribution 'outsider' (outsider_hungry.py, line 2) needs the package "
        "'nowhere_to_be_found', which is not installed; install it, for instance with pip install nowhere_to_be_found, "
        "or uninstall 'outsider'."
    )


def test_the_file_is_the_one_within_the_plugins_package_that_failed(install, tmp_path, monkeypatch):
    install("deep", "", value="outer_package.inner.adapter")
    package = tmp_path / "outsider" / "outer_package" / "inner"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "adapter.py").write_text("from . import numbers\n")
    (package / "numbers.py").write_text("import json\n\nanswer = json.loads('nothing')\n")
    with pytest.raises(PrunekitError, match=r"\(outer_package/inner/numbers.py, line 3\) cannot .* JSONDecodeError"):
        plugins.load(ADAPTERS, "deep")
    (package / "adapter.py").write_text(HOOK.format("adapter", "None"))
    importlib.invalidate_caches()
    with pytest.raises(PrunekitError, match=r"\(outer_package/inner/adapter.py\) does not implement"):
        plugins.load(ADAPTERS, "deep")
    for name in [name for name in sys.modules if name.startswith("outer_package")]:
        monkeypatch.delitem(sys.modules, name)


def test_a_name_that_two_distributions_offer_is_refused_with_both_files(install):
    one, other = install("twice", GOOD), install("twice", GOOD, distribution="neighbour")
    owners = rf"neighbour \({other}.py\) and outsider \({one}.py\)"
    with pytest.raises(PrunekitError, match=f"'twice' is offered by {owners}; uninstall one"):
        plugins.load(ADAPTERS, "twice")
    assert not {one, other} & set(sys.modules)
    assert issubclass(plugins.load(ADAPTERS, "t5"), Adapter)


def test_one_distribution_seen_twice_counts_once(install, tmp_path, monkeypatch):
    install("good", GOOD)
    again = tmp_path / "again"
    again.mkdir()
    (again / "outsider-1.0.dist-info").symlink_to(tmp_path / "outsider" / "outsider-1.0.dist-info")
    monkeypatch.syspath_prepend(again)
    assert plugins.load(ADAPTERS, "good").__name__ == "Good"


def test_the_catalogue_lists_the_broken_with_their_errors(install):
    install("broken", "import nowhere_to_be_found")
    install("good", GOOD, distribution="neighbour")
    rows = {row.name: row for row in plugins.catalogue(ADAPTERS)}
    assert rows["good"].plugin.__doc__ == "A good one: it works."
    assert rows["good"].distribution == "neighbour"
    assert rows["broken"].plugin is None
    assert "needs the package 'nowhere_to_be_found'" in str(rows["broken"].error)
    assert rows["t5"].error is None


def test_summaries_import_only_what_is_broken(install):
    broken = install("broken", "import nowhere_to_be_found")
    good = install("good", GOOD, distribution="neighbour")
    rows = {row.name: row for row in plugins.summaries(ADAPTERS)}
    assert rows["good"] == plugins.PluginSummary("good", "neighbour", "A good one: it works.")
    assert good not in sys.modules
    assert "needs the package 'nowhere_to_be_found'" in rows["broken"].error
    assert broken not in sys.modules
    for row in plugins.catalogue(ADAPTERS):
        assert (rows[row.name].distribution, rows[row.name].error) == (row.distribution, row.error)
        assert row.error or rows[row.name].text == (row.plugin.__doc__ or "").partition("\n")[0]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("not a module", "names no module"),
        ("outsider_gone", "cannot be used: ModuleNotFoundError: No module named 'outsider_gone'"),
        ("json.gone", "cannot be used: ModuleNotFoundError: No module named 'json.gone'"),
        ("outsider_broken.json", "cannot be used: ModuleNotFoundError: No module named 'outsider_broken.json'"),
    ],
)
def test_an_entry_point_that_names_no_module_is_one_sentence(install, value, sentence):
    install("broken", "", value=value)
    with pytest.raises(PrunekitError) as caught:
        plugins.load(ADAPTERS, "broken")
    title = "The adapter 'broken' of the distribution 'outsider'"
    assert str(caught.value).startswith(f"{title} (entry_points.txt: broken = {value}) {sentence}")
