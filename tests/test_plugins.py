"""Plugins: names from metadata, one import at a time, and one sentence for each way that a plugin can be broken."""

import sys
from textwrap import dedent

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


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with one plugin, as its files would lie in site-packages; its module goes afterwards."""
    modules = []

    def add(name, source, group="prunekit.adapters", distribution="outsider", value=None):
        site = tmp_path / distribution
        metadata = site / f"{distribution}-1.0.dist-info"
        metadata.mkdir(parents=True, exist_ok=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        module = f"{distribution}_{name}"
        with (metadata / "entry_points.txt").open("a") as file:
            file.write(f"[{group}]\n{name} = {value or module}\n")
        (site / f"{module}.py").write_text(dedent(source))
        monkeypatch.syspath_prepend(site)
        modules.append(module)
        return module

    yield add
    for module in modules:
        sys.modules.pop(module, None)


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
    with pytest.raises(PrunekitError, match=r"no strategy 'x'; there are cofi, depth, nash, uniform"):
        plugins.load(STRATEGIES, "x")


HOOK = "from prunekit import Adapter, TaskPlugin, hookimpl\n@hookimpl\ndef prunekit_{}(): return {}\n"


@pytest.mark.parametrize(
    ("source", "group", "sentence"),
    [
        ("import nowhere_to_be_found", "adapters", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise SystemExit('no licence')", "adapters", "SystemExit: no licence"),
        ("x = 1", "adapters", "does not implement prunekit_adapter"),
        (HOOK.format("adaptor", "Adapter"), "adapters", "PluginValidationError: unknown hook 'prunekit_adaptor'"),
        (HOOK.format("adapter", "Adapter()"), "adapters", "returns <prunekit.find.adapter.Adapter object"),
        (HOOK.format("adapter", "int"), "adapters", "returns <class 'int'> from prunekit_adapter; .* prunekit.Adapter"),
        (HOOK.format("adapter", "1/0"), "adapters", "ZeroDivisionError: division by zero"),
        (HOOK.format("strategy", "Adapter"), "strategies", "the hook must return a subclass of prunekit.Strategy"),
        (HOOK.format("task", "TaskPlugin"), "tasks", "subclass of prunekit.TaskPlugin whose methods are all there"),
    ],
)
def test_a_broken_plugin_is_one_sentence_that_names_its_distribution(install, source, group, sentence):
    install("broken", source, f"prunekit.{group}")
    kind = {"adapters": ADAPTERS, "strategies": STRATEGIES, "tasks": TASKS}[group]
    with pytest.raises(PrunekitError, match=sentence) as caught:
        plugins.load(kind, "broken")
    assert "of the distribution 'outsider'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_two_distributions_offer_is_refused(install):
    install("twice", GOOD)
    install("twice", GOOD, distribution="neighbour")
    with pytest.raises(PrunekitError, match="'twice' is offered by neighbour and outsider; uninstall one"):
        plugins.load(ADAPTERS, "twice")
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
    assert rows["good"].summary == "A good one: it works."
    assert rows["good"].distribution == "neighbour"
    assert rows["broken"].plugin is None
    assert "No module named" in str(rows["broken"].error)
    assert rows["t5"].error is None


def test_an_entry_point_that_names_no_module_is_one_sentence(install):
    install("broken", "", value="not a module")
    with pytest.raises(PrunekitError, match="'broken' of the distribution 'outsider' cannot be used"):
        plugins.load(ADAPTERS, "broken")
