"""``prunekit list``: what is installed, the broken with their reason, and every option of a strategy."""

import subprocess
import sys
from typing import Literal

import pytest
from pydantic import Field

from prunekit import Strategy, plugins
from prunekit.commands.console import OUT
from prunekit.commands.list import options_table, type_text


def rows(table):
    """The cells of a rich table, row by row."""
    return list(zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True))


def test_everything_that_is_installed_is_listed(prunekit):
    result = prunekit("list")
    assert result.exit_code == 0
    for kind in (plugins.ADAPTERS, plugins.STRATEGIES, plugins.TASKS, plugins.METRICS):
        for name in plugins.names(kind):
            assert any(line.startswith(f"{name} ") for line in result.stdout.splitlines()), name


@pytest.mark.parametrize("words", ["list", "list adapters", "list strategies", "list tasks", "list metrics"])
def test_names_are_read_from_metadata_and_sources(words):
    code = f"""
import sys
from prunekit.cli import main
sys.argv = ["prunekit", *{words.split()}]
try:
    main()
finally:
    heavy = {{"torch", "transformers", "datasets", "accelerate", "prunekit_adapters", "prunekit_strategies"}}
    print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (0, "[]"), done.stderr
    assert "prunekit" in done.stdout


def test_one_strategy_is_described_with_its_options(prunekit):
    for row in plugins.catalogue(plugins.STRATEGIES):
        result = prunekit("list", "strategies", row.name)
        assert result.exit_code == 0
        assert row.plugin.__doc__.partition("\n")[0] in result.stdout
        for option in row.plugin.model_fields:
            assert option in result.stdout


def test_one_adapter_is_described(prunekit):
    result = prunekit("list", "adapters", "t5")
    assert result.exit_code == 0
    assert plugins.load(plugins.ADAPTERS, "t5").__doc__.partition("\n")[0] in result.stdout
    assert "options" not in result.stdout


def test_a_name_that_is_not_installed_is_refused(prunekit):
    result = prunekit("list", "strategies", "nahs")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is no strategy 'nahs'; did you mean 'nash'?" in result.stderr


def test_one_kind_alone(prunekit):
    result = prunekit("list", "adapters")
    assert "mt5" in result.stdout
    assert "nash" not in result.stdout


def test_broken_plugins_are_listed_with_one_sentence_each_beside_the_others(prunekit, broken, monkeypatch):
    monkeypatch.setattr(OUT, "_width", 1000)
    result = prunekit("list")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines() if line.strip() and " options " not in line]
    rows = {name: " ".join(rest) for name, *rest in lines}
    source = "of the distribution 'outsider'"
    assert rows["torn"].startswith(f"The strategy 'torn' {source} (outsider_torn.py, line 1) cannot be used: SyntaxErr")
    assert rows["hungry"].startswith(f"The strategy 'hungry' {source} (outsider_hungry.py, line 1) needs the package")
    assert "'nowhere_to_be_found'" in rows["hungry"]
    assert rows["odd"].startswith(f"The strategy 'odd' {source} (outsider_odd.py) returns 42 from prunekit_strategy;")
    owners = "neighbour (neighbour_twice.py) and outsider (outsider_twice.py)"
    assert rows["twice"] == f"The adapter 'twice' is offered by {owners}; uninstall one of them. neighbour, outsider"
    assert rows["uniform"].endswith(". prunekit")
    assert rows["t5"].endswith(" prunekit")


class Example(Strategy):
    """An example."""

    share: float = Field(0.5, ge=0, lt=1, description="how much")
    layers: int | list[int] | None = Field(None, description="which")
    by: Literal["size", "age"] = "size"
    needed: int


def test_options_with_type_default_and_description():
    assert rows(options_table("example", Example)) == [
        ("share", "0.5", "how much (float, >= 0, < 1)"),
        ("layers", "", "which (int or list of int)"),
        ("by", "size", "(size or age)"),
        ("needed", "required", "(int)"),
    ]


@pytest.mark.parametrize(
    ("annotation", "words"),
    [(int, "int"), (list[str], "list of str"), (tuple[int, ...], "list of int"), (str | None, "str"), (list, "list")],
)
def test_types_in_words(annotation, words):
    assert type_text(annotation) == words


class Preset(Strategy):
    """An example with presets."""

    presets = {"plain": {}, "bold": {"share": 0.9, "by": "age"}}
    preset: Literal["plain", "bold"] = Field("plain", description="which defaults")
    share: float = 0.5
    by: Literal["size", "age"] = "size"


def test_presets_are_listed_with_what_they_set():
    assert rows(options_table("example", Preset))[-1] == ("preset", "bold", "share=0.9, by=age")
    assert (Preset(preset="bold").share, Preset(preset="bold", share=0.1).share) == (0.9, 0.1)
