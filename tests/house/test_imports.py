"""Who imports whom: no circles, downward only, and plugins by the public door."""

import ast
import graphlib
import subprocess
import sys

import prunekit
from prunekit.cut.pruned_model import PARTS

FLOORS = (
    ("_support", "errors", "hookspecs"),
    ("generation", "recipe"),
    ("data", "find"),
    ("cut", "learn"),
    ("vocabulary",),
    ("measure",),
    ("latency",),
    ("export",),
    ("report",),
    ("plugins",),
    ("loading",),
    ("pipeline",),
    ("compare",),
    ("front",),
    ("conformance",),
    ("scaffold",),
    ("testing",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
"""Rooms and loose files from the ground up: each imports from the floors below it only."""

FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
DOOR = FLOOR["pipeline"]
"""The public door imports on demand what it shows, the run included."""


def dependencies(sources):
    """The modules of the engine that each module of the engine imports, those for type checkers included."""
    modules = {source.module for source in sources}
    graph = {}
    for source in sources:
        named = {f"{module}.{name}" if f"{module}.{name}" in modules else module for module, name in source.imports()}
        graph[source.module] = (named & modules) - {source.module}
    return graph


def circle(graph):
    """The modules of one circle of imports, in order; nothing where there is none."""
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def room_of(module):
    return module.split(".")[1] if "." in module else ""


def floor_of(module):
    return FLOOR[room_of(module)] if room_of(module) else DOOR


def upward(graph):
    """The modules that import from a room that is not below their own, each with that room."""
    return {
        (module, room_of(other))
        for module, imported in graph.items()
        for other in imported
        if room_of(module) and room_of(other) != room_of(module) and not _below(other, module)
    }


def _below(other, module):
    ground = floor_of(other) == floor_of(module) == 0
    return floor_of(other) < floor_of(module) or ground


def test_no_file_imports_one_that_imports_it(engine):
    assert circle(dependencies(engine)) == []


def test_a_circle_is_seen_even_for_type_checkers(source):
    hidden = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from prunekit.find.graph import Graph\n"
    files = [
        source("prunekit/find/graph.py", "def f():\n    from prunekit.find import size\n"),
        source("prunekit/find/size.py", hidden),
    ]
    assert set(circle(dependencies(files))) == {"prunekit.find.graph", "prunekit.find.size"}


def test_every_room_has_a_floor(engine):
    assert {source.room for source in engine} - {""} == set(FLOOR)


def test_the_engine_imports_downward_only(engine):
    assert upward(dependencies(engine)) == set()


def test_an_upward_import_is_seen(source):
    files = [
        source("prunekit/__init__.py", "from prunekit.pipeline.run import run\n"),
        source("prunekit/pipeline/run.py", ""),
        source("prunekit/cut/surgery.py", "from prunekit.errors import PrunekitError\n"),
        source("prunekit/learn/bench.py", "from prunekit.cut.surgery import cut\nfrom prunekit import run\n"),
        source("prunekit/errors.py", ""),
    ]
    assert upward(dependencies(files)) == {("prunekit.learn.bench", "cut"), ("prunekit.learn.bench", "")}


def plugins_imported(sources):
    """The engine's imports from the packages of plugins."""
    return [
        (source.path, module)
        for source in sources
        for module, _ in source.imports()
        if module.startswith(("prunekit_adapters", "prunekit_strategies"))
    ]


def test_the_engine_imports_no_plugin(engine, source):
    assert plugins_imported(engine) == []
    guilty = source("prunekit/find/graph.py", "def f():\n    from prunekit_adapters.t5 import T5\n")
    assert plugins_imported([guilty]) == [("prunekit/find/graph.py", "prunekit_adapters.t5")]


MAY_LOOK_UP_PLUGINS = {"", "cli", "commands", "loading", "plugins", "testing"}


def lookups(sources):
    """Files that ask for plugins by name in a room that is handed them."""
    graph = dependencies(sources)
    return [
        source.path
        for source in sources
        if "prunekit.plugins" in graph[source.module] and source.room not in MAY_LOOK_UP_PLUGINS
    ]


def test_only_loading_and_the_commands_look_up_plugins(engine, source):
    assert lookups(engine) == []
    guilty = source("prunekit/cut/surgery.py", "from prunekit import plugins\n")
    assert lookups([guilty, source("prunekit/plugins.py", "")]) == ["prunekit/cut/surgery.py"]


def foreign(sources):
    """Imports of plugins that come neither by the public door nor from their own package."""
    return [
        (source.path, module, name)
        for source in sources
        for module, name in source.imports()
        if not _allowed(source.module.split(".")[0], module, name)
    ]


def _allowed(own, module, name):
    if module == "prunekit":
        return name in prunekit.__all__
    return not module.startswith("prunekit") or module.split(".")[0] == own


def test_plugins_use_the_public_door_and_their_own_kin(plugin_files, source):
    assert foreign(plugin_files) == []
    text = "from prunekit import Stack, plugins\nfrom prunekit_adapters.bart import Bart\nimport prunekit.find.graph\n"
    guilty = source("adapters/prunekit_adapters/toy.py", text)
    assert [(module, name) for _, module, name in foreign([guilty])] == [
        ("prunekit", "plugins"),
        ("prunekit.find.graph", ""),
    ]


SHIPPED = tuple(f"prunekit/cut/{name}" for name in PARTS)
"""The files that a checkpoint carries along."""


def roots_of(source):
    """The packages outside the standard library that a file imports from; the other shipped files apart."""
    modules = {module for module, _ in source.imports()}
    modules -= {path.removesuffix(".py").replace("/", ".") for path in SHIPPED}
    return {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names)


def test_the_interpreter_of_layouts_needs_only_torch_and_transformers(engine, source):
    shipped = [each for each in engine if each.path in SHIPPED]
    assert len(shipped) == len(SHIPPED)
    assert set().union(*map(roots_of, shipped)) <= {"torch", "transformers"}
    assert roots_of(source("prunekit/cut/layout.py", "import ast\nfrom prunekit import errors\n")) == {"prunekit"}


FAMILIES = ("t5", "bart", "marian", "whisper", "pegasus")
CORE = (*SHIPPED, "prunekit/cut/surgery.py", "prunekit/find/groups.py")


def families_named(source):
    """Names and texts of a file, docstrings apart, that name a family of models."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    docs = {ast.get_docstring(node, clean=False) for node in ast.walk(source.tree) if isinstance(node, documented)}
    words = {node.value for node in ast.walk(source.tree) if isinstance(node, ast.Constant)}
    words |= {node.id for node in ast.walk(source.tree) if isinstance(node, ast.Name)}
    words |= {node.attr for node in ast.walk(source.tree) if isinstance(node, ast.Attribute)}
    texts = {word for word in words - docs if isinstance(word, str)}
    return {text for text in texts if any(family in text.lower() for family in FAMILIES)}


def test_the_core_names_no_model_family(engine, source):
    core = [each for each in engine if each.path in CORE]
    assert len(core) == len(CORE)
    assert {each.path: families_named(each) for each in core if families_named(each)} == {}
    guilty = source("prunekit/cut/surgery.py", '"""As in T5."""\nif model.config.model_type == "mt5": pass\n')
    assert families_named(guilty) == {"mt5"}


def test_the_command_line_waits_for_torch_only_when_it_needs_it():
    code = "import sys, prunekit.cli; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
