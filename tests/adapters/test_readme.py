"""The code of the guide to adapters runs, and what it refers to is there."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import BartConfig

import prunekit
from prunekit import plugins
from prunekit.testing.models import BART_SIZES, VOCABULARY

GUIDE = (Path(__file__).parents[2] / "adapters/README.md").read_text(encoding="utf-8")
WRITTEN, EXPORTED = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def defined(code):
    """What a block of code defines."""
    names = {}
    exec(compile(code, "adapters/README.md", "exec"), names)
    return names


def test_the_guides_adapter_declares_what_the_built_in_one_does():
    """The built-in one passes the suite."""
    config = BartConfig(vocab_size=VOCABULARY, **BART_SIZES)
    adapter = defined(WRITTEN)["prunekit_adapter"]()()
    assert adapter.stacks(config) == plugins.load(plugins.ADAPTERS, "bart")().stacks(config)
    assert {group.kind for group in prunekit.discover(adapter, config).groups} == set(prunekit.Kind)


def test_the_guides_export_names_a_loader():
    model = SimpleNamespace(config=SimpleNamespace())
    assert defined(EXPORTED)["Mine"]().ctranslate2(model, {"BartConfig": "a loader"}) == "a loader"
    assert model.config.normalize_before


@pytest.mark.parametrize("example", re.findall(r"\| `(\w+)\.(\w+)` \|$", GUIDE, re.MULTILINE))
def test_every_example_that_the_table_names_is_there(example):
    name, attribute = example
    kinds = {kind.plugin for kind in plugins.catalogue(plugins.ADAPTERS)} | {prunekit.Adapter}
    assert attribute in vars(next(kind for kind in kinds if kind.__name__ == name))
