"""The public door and the packaging: what is shown, declared, installed and pinned."""

import ast
import importlib.metadata
import sys
import tomllib

import pytest

import prunekit
from prunekit import plugins

KINDS = {kind.group: kind for kind in vars(plugins).values() if isinstance(kind, plugins.PluginKind)}


@pytest.fixture(scope="module")
def project(root):
    """The table ``[project]`` of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def test_the_public_door_is_sorted_and_every_name_opens_and_is_documented():
    assert prunekit.__all__ == sorted(set(prunekit.__all__))
    assert [name for name in prunekit.__all__ if not getattr(prunekit, name).__doc__] == []


def test_type_checkers_see_the_same_public_door(engine):
    door = next(source for source in engine if source.module == "prunekit")
    checked = next(node for node in door.tree.body if isinstance(node, ast.If))
    imported = {alias.name: node.module for node in checked.body for alias in node.names}
    assert sorted(imported) == prunekit.__all__
    for name, module in imported.items():
        assert getattr(prunekit, name) is getattr(sys.modules[module], name)


def undocumented(sources):
    """Public classes, functions and methods without a docstring."""
    return [
        f"{source.module}.{node.name}"
        for source in sources
        for top in source.public()
        for node in [top, *(getattr(top, "body", []) if isinstance(top, ast.ClassDef) else [])]
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]


def test_every_public_name_is_documented(engine, source):
    assert undocumented(engine) == []
    text = 'class A:\n    """An A."""\n    def f(self): ...\n    def _g(self): ...\ndef h(): ...\ndef _i(): ...\n'
    assert undocumented([source("prunekit/find/a.py", text)]) == ["prunekit.find.a.f", "prunekit.find.a.h"]


def test_source_roots_and_tests_are_no_packages(root):
    assert [name for name in ("adapters", "strategies") if (root / name / "__init__.py").exists()] == []
    assert list((root / "tests").rglob("__init__.py")) == []


def test_the_installed_entry_points_are_the_declared_ones(project):
    declared = {
        (group, name, value) for group, entries in project["entry-points"].items() for name, value in entries.items()
    }
    *_, last = importlib.metadata.distributions(name="prunekit")  # the first may stand for it, see tests/conftest.py
    installed = last.entry_points
    assert {(each.group, each.name, each.value) for each in installed if each.group.startswith("prunekit.")} == declared


def wrongly_declared(entry_points):
    """Entry points that do not load, lead elsewhere than they say, or give an adapter that knows no such model."""
    wrong = {}
    for group, entries in entry_points.items():
        for name, value in entries.items():
            try:
                plugin = plugins.load(KINDS[group], name)
            except prunekit.PrunekitError as error:
                wrong[name] = str(error)
                continue
            served = KINDS[group] is not plugins.ADAPTERS or name in plugin.model_types
            if plugin.__module__ != value or not served:
                wrong[name] = f"{plugin.__module__}.{plugin.__name__}"
    return wrong


def test_every_entry_point_loads(project, install):
    assert wrongly_declared(project["entry-points"]) == {}
    elsewhere = {"prunekit.adapters": {"t5": "prunekit_adapters.bart", "t6": "prunekit_adapters.t5"}}
    assert set(wrongly_declared(elsewhere)) == {"t5", "t6"}


def unpinned(requirements, constraints):
    """Packages that a requirement names and no line of the constraints pins."""
    names = {line.split(">")[0].split("=")[0].split("~")[0].lower() for line in requirements}
    return names - {line.split("==")[0].lower() for line in constraints if "==" in line}


def test_the_constraints_pin_every_direct_dependency(project, root):
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    wanted = [line for line in [*project["dependencies"], *extras] if not line.startswith("prunekit[")]
    assert unpinned(wanted, (root / "constraints.txt").read_text().splitlines()) == set()
    assert unpinned(["torch>=2", "rich~=13.1", "types-PyYAML"], ["torch==2.13", "rich", "# rich"]) == {
        "rich",
        "types-pyyaml",
    }
