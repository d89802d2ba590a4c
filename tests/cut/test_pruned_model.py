"""The classes of cut models, and the module that travels in their checkpoints."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from prunekit.conformance.worker import BlockPrunekit
from prunekit.cut import pruned_model
from prunekit.cut.checkpoint import save
from prunekit.cut.pruned_model import PARTS, checkpoint_source, pruned_class, pruned_config_class, stock_class
from prunekit.find.plan import PruningPlan

PLAN = PruningPlan({"encoder.0.self.heads": (0, 3), "decoder.layers": (1, 2), "decoder.1.self.heads": ()})


@pytest.fixture(scope="module")
def small(case):
    return case("t5").cut(PLAN)


@pytest.fixture(scope="module")
def source(small):
    return checkpoint_source(small)


@pytest.fixture
def shipped(small, tmp_path):
    """The module of a checkpoint, imported where prunekit cannot be."""
    save(small, tmp_path / "model")
    spec = importlib.util.spec_from_file_location("modeling_prunekit", tmp_path / "model/modeling_prunekit.py")
    module = importlib.util.module_from_spec(spec)
    ours = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "prunekit"}
    block = BlockPrunekit()
    sys.meta_path.insert(0, block)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.meta_path.remove(block)
        sys.modules.update(ours)
    return module


def test_the_module_holds_its_parts_whole(source):
    """But for imports of each other, which one module does not need."""
    tree = ast.parse(source)
    for part in PARTS:
        for node in ast.parse(Path(pruned_model.__file__).with_name(part).read_text()).body:
            own = isinstance(node, ast.ImportFrom) and node.module.startswith("prunekit")
            assert own or ast.dump(node) in {ast.dump(other) for other in tree.body}, ast.unparse(node)[:80]
    roots = {name.partition(".")[0] for name in imported(tree)}
    assert roots - set(sys.stdlib_module_names) == {"torch", "transformers"}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def private_names(source):
    """Names with one leading underscore that a source takes from elsewhere: attributes, imports, texts."""
    tree = ast.parse(source)
    own = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    used = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    used += [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    used += [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id not in own]
    used += [part for name in imported(tree) for part in name.split(".")]
    used += [a.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for a in node.names]
    return [name for name in used if name.startswith("_") and not name.startswith("__") and name.isidentifier()]


def test_the_module_uses_no_private_name(source):
    assert private_names(source) == []


@pytest.mark.parametrize(
    "line",
    ["m._forward_hooks", "getattr(m, '_parameters')", "from torch.nn import _reduction", "import torch._C", "_blank()"],
)
def test_the_rule_sees_a_private_name(line):
    assert private_names(line) != []


def test_alone_it_builds_the_same_model(shipped, small, batch):
    config = shipped.PrunedT5Config.from_dict(small.config.to_dict() | {"model_type": "prunekit-t5"})
    model = shipped.PrunedT5ForConditionalGeneration(config).eval()
    model.load_state_dict(small.state_dict())
    with torch.inference_mode():
        assert torch.equal(model(**batch).logits, small(**batch).logits)


def test_alone_it_ships_itself_again(shipped, small, source, tmp_path):
    config = shipped.PrunedT5Config.from_dict(small.config.to_dict() | {"model_type": "prunekit-t5"})
    shipped.PrunedT5ForConditionalGeneration(config).save_pretrained(tmp_path / "again")
    assert (tmp_path / "again/modeling_prunekit.py").read_text() == source


@pytest.mark.parametrize("family", ["t5", "mt5", "bart"])
def test_a_pruned_class_has_a_model_type_of_its_own(case, family):
    base = type(case(family).model)
    pruned = pruned_class(base)
    assert issubclass(pruned, base)
    assert stock_class(pruned) is base
    assert pruned.config_class.model_type == f"prunekit-{base.config_class.model_type}"
    assert pruned_class(base) is pruned_class(pruned) is pruned
    assert pruned_config_class(pruned.config_class) is pruned.config_class
