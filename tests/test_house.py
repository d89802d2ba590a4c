"""The house rules: who may import whom, what the public door shows, how large a file may be."""

import ast
import importlib.metadata
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import prunekit
from prunekit import plugins

ROOT = Path(__file__).parents[1]
ENGINE = sorted((ROOT / "prunekit").rglob("*.py"))
ADAPTERS = sorted((ROOT / "adapters").rglob("*.py"))
STRATEGIES = sorted((ROOT / "strategies").rglob("*.py"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

PLAIN, GROUND, MIDDLE, TOP, LINE, EDGE = range(6)
FLOORS = {
    "_support": PLAIN,
    "errors": PLAIN,
    "hookspecs": PLAIN,
    "recipe": PLAIN,
    "data": GROUND,
    "find": GROUND,
    "generation": GROUND,
    "cut": MIDDLE,
    "learn": MIDDLE,
    "measure": TOP,
    "compare": LINE,
    "conformance": LINE,
    "export": LINE,
    "latency": LINE,
    "loading": LINE,
    "pipeline": LINE,
    "plugins": LINE,
    "report": LINE,
    "scaffold": LINE,
    "vocabulary": LINE,
    "__main__": EDGE,
    "cli": EDGE,
    "commands": EDGE,
}
"""Rooms by floor. A room imports from floors below; plain modules, the line and the edge also among themselves."""
OPEN_PLAN = (PLAIN, LINE, EDGE)
FREE = ("", "testing")
"""The public door, which imports on demand, and the kits for plugin authors."""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Every import in a file, wherever it stands, as (module, name); relative ones start with dots."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (("." * node.level + (node.module or ""), alias.name) for alias in node.names)


def room_of(path: Path) -> str:
    """``find`` for prunekit/find/graph.py, ``cli`` for prunekit/cli.py, nothing for the door."""
    first = path.relative_to(ROOT / "prunekit").parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def rooms_imported(path: Path) -> Iterator[str]:
    """The rooms that an engine module imports from; a name of the public door gives an empty one."""
    for module, name in imports(path):
        if module == "prunekit":
            yield name if name in FLOORS else ""
        elif module.startswith("prunekit."):
            yield module.split(".")[1]


@pytest.mark.parametrize("path", [p for p in ENGINE if room_of(p) not in FREE], ids=name_of)
def test_the_engine_imports_downward_only(path):
    room = room_of(path)
    assert room in FLOORS, f"give {room!r} a floor"
    for other in rooms_imported(path):
        below = FLOORS.get(other, EDGE) < FLOORS[room]
        beside = FLOORS.get(other, EDGE) == FLOORS[room] and (other == room or FLOORS[room] in OPEN_PLAN)
        assert below or beside, f"{name_of(path)} must not import {other or 'the public door'}"


def test_the_rule_sees_an_upward_import(tmp_path):
    module = ROOT / "prunekit" / "find" / "groups.py"
    assert "measure" not in set(rooms_imported(module))
    guilty = tmp_path / "guilty.py"
    guilty.write_text("def f():\n    from prunekit.measure import report\n    from prunekit import cut, run\n")
    assert list(rooms_imported(guilty)) == ["measure", "cut", ""]


@pytest.mark.parametrize("path", ENGINE, ids=name_of)
def test_the_engine_imports_no_plugin(path):
    for module, _ in imports(path):
        assert not module.startswith(("prunekit_adapters", "prunekit_strategies"))


@pytest.mark.parametrize("path", ENGINE, ids=name_of)
def test_only_the_subject_and_the_commands_touch_plugins(path):
    if room_of(path) not in ("loading", "commands", "cli", "testing"):
        assert "plugins" not in set(rooms_imported(path))


@pytest.mark.parametrize("path", [*ADAPTERS, *STRATEGIES], ids=name_of)
def test_plugins_use_the_public_door_and_their_own_kin(path):
    own = path.parent.name
    for module, name in imports(path):
        if module == "prunekit":
            assert name in prunekit.__all__
        else:
            assert not module.startswith("prunekit") or module.split(".")[0] == own


def test_the_interpreter_of_layouts_needs_only_torch_and_transformers():
    used = {
        module
        for name in ("layout.py", "module_overrides.py")
        for module, _ in imports(ROOT / "prunekit" / "cut" / name)
    }
    roots = {module.split(".")[0] for module in used - {"prunekit.cut.module_overrides"}}
    assert roots - set(sys.stdlib_module_names) <= {"torch", "transformers"}


@pytest.mark.parametrize("name", ["find/groups.py", "cut/layout.py", "cut/module_overrides.py", "cut/surgery.py"])
def test_the_core_names_no_model_family(name):
    tree = ast.parse((ROOT / "prunekit" / name).read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    words |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    words |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    families = ("t5", "bart", "marian", "whisper", "pegasus")
    assert not {word for word in words - docstrings if any(family in word.lower() for family in families)}


def test_the_public_door_is_sorted_and_every_name_opens():
    assert prunekit.__all__ == sorted(set(prunekit.__all__))
    for name in prunekit.__all__:
        assert getattr(prunekit, name).__doc__, name


def test_the_public_door_tells_type_checkers_the_same():
    tree = ast.parse((ROOT / "prunekit" / "__init__.py").read_text())
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    told = {alias.name: node.module for node in checked.body for alias in node.names}
    assert sorted(told) == prunekit.__all__
    for name, module in told.items():
        assert getattr(prunekit, name) is getattr(sys.modules[module], name)


def test_source_roots_and_tests_are_no_packages():
    for root in ("adapters", "strategies"):
        assert not (ROOT / root / "__init__.py").exists()
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("path", [*ENGINE, *ADAPTERS, *STRATEGIES], ids=name_of)
def test_files_are_short_and_say_what_they_are_for(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 260
    assert not text or ast.get_docstring(ast.parse(text))


def declared():
    groups = PYPROJECT["project"]["entry-points"]
    return [(group, name, value) for group, entries in groups.items() for name, value in entries.items()]


def test_the_installed_entry_points_are_the_declared_ones():
    installed = importlib.metadata.distribution("prunekit").entry_points
    assert {(e.group, e.name, e.value) for e in installed if e.group.startswith("prunekit.")} == set(declared())


@pytest.mark.parametrize(("group", "name", "value"), declared())
def test_every_entry_point_loads(group, name, value):
    kind = {kind.group: kind for kind in (plugins.ADAPTERS, plugins.STRATEGIES, plugins.TASKS)}[group]
    plugin = plugins.load(kind, name)
    assert plugin.__module__ == value
    if kind is plugins.ADAPTERS:
        assert name in plugin.model_types


def test_the_constraints_pin_every_direct_dependency():
    project = PYPROJECT["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    names = {line.split(">")[0].split("=")[0].lower() for line in wanted if not line.startswith("prunekit[")}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert names <= {line.split("==")[0].lower() for line in lines if "==" in line}


def test_the_command_line_waits_for_torch_only_when_it_needs_it():
    code = "import sys, prunekit.cli; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
