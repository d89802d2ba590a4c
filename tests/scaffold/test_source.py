"""A draft as Python: it compiles to the adapter that it describes, and says what is missing."""

import ast
from dataclasses import replace

import pytest

from prunekit.find.adapter import Adapter
from prunekit.scaffold.files import adapter_of
from prunekit.scaffold.source import LINE, adapter_source, bracketed, suite_source


@pytest.mark.parametrize("model_type", ["bart", "t5", "whisper", "prophetnet"])
def test_the_source_is_the_adapter(drafted, model_type):
    draft = drafted(model_type)
    adapter = adapter_of(draft)
    assert issubclass(adapter, Adapter)
    assert adapter.model_types == (model_type,)
    config = draft.kind.config_class(**draft.kind.tiny())
    for stack, layers, found in zip(adapter().stacks(config), draft.layers, draft.found, strict=True):
        assert (stack.name, stack.path, stack.depth) == (layers.name, layers.path, layers.depth)
        assert [root.module for root in stack.roots] == [root.module for root in found.roots()]
    if draft.head_size is not None:
        assert adapter().head_size(config, "decoder") == draft.head_size.of(config, "decoder")


def test_what_is_missing_is_a_comment(drafted):
    source = adapter_source(replace(drafted("bart"), missing=("a thing that nobody " * 12 + "found.",)))
    comments = [line for line in source.splitlines() if line.lstrip().startswith("#")]
    assert comments[0].strip() == "# To be done by hand:"
    assert len(comments) == 4
    assert max(map(len, source.splitlines())) <= LINE
    ast.parse(source)


def test_the_suite_imports_the_adapter_and_says_its_precision(drafted):
    draft = drafted("bart")
    assert "from my_package.bart import Bart\n" in suite_source(draft, "my_package.bart")
    assert "dtype" not in suite_source(draft, "bart")
    single = suite_source(replace(draft, single=True), "bart")
    assert "dtype = torch.float32" in single
    assert "import torch\n" in single


@pytest.mark.parametrize(
    ("parts", "text"),
    [(["a", "b"], "f(a, b)"), (["a" * 70, "b" * 70], f"f(\n    {'a' * 70},\n    {'b' * 70},\n)")],
)
def test_arguments_stand_in_one_line_or_one_a_line(parts, text):
    assert bracketed("f(", parts, ")", 0) == text
