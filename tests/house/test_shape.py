"""How files are cut: short, each with a first line that says what it is for, and a test at its path."""

import ast

LINES_OF_A_FILE = 260
LINES_OF_A_FUNCTION = 40
LOOSE_FILES = 9
MIRRORED = 0.9
"""The share of the engine's modules that must have a test at their path."""


def long_files(sources):
    return [source.path for source in sources if len(source.text.splitlines()) >= LINES_OF_A_FILE]


def undocumented(sources):
    """Files without a first line that says what they are for."""
    return [source.path for source in sources if source.text and not ast.get_docstring(source.tree)]


def long_functions(sources):
    """Functions of more lines than one sees at once, signature and docstring included."""
    return [
        f"{source.path} {node.name}"
        for source in sources
        for node in source.functions()
        if node.end_lineno - node.lineno >= LINES_OF_A_FUNCTION
    ]


def test_files_are_short(engine, plugin_files, source):
    assert long_files([*engine, *plugin_files]) == []
    assert long_files([source("prunekit/long.py", "\n" * 260), source("prunekit/short.py", "\n" * 259)]) == [
        "prunekit/long.py"
    ]


def test_files_say_what_they_are_for(engine, plugin_files, other_files, source):
    assert undocumented([*engine, *plugin_files, *other_files]) == []
    silent = source("prunekit/find/silent.py", "import ast\n")
    assert undocumented([silent, source("prunekit/find/__init__.py", "")]) == ["prunekit/find/silent.py"]


def test_functions_are_short(engine, plugin_files, other_files, source):
    assert long_functions([*engine, *plugin_files, *other_files]) == []
    text = "class A:\n    def f():\n" + "        pass\n" * 40 + "    def g():\n" + "        pass\n" * 39
    assert long_functions([source("prunekit/long.py", text)]) == ["prunekit/long.py f"]


def test_few_files_lie_loose_at_the_top(engine):
    loose = [source.path for source in engine if source.path.count("/") == 1]
    assert len(loose) <= LOOSE_FILES, loose


def modules_to_test(sources):
    """Files that define or do something, and the path of the test that each should have."""
    for source in sources:
        if any(not isinstance(node, ast.Expr | ast.Import | ast.ImportFrom) for node in source.tree.body):
            *folders, name = source.module.split(".")[1:] or ["prunekit"]
            folders = [*folders, name] if source.path.endswith("__init__.py") and source.room else folders
            yield source.path, "/".join(["tests", *folders, f"test_{name.strip('_')}.py"])


def unmirrored(sources, root):
    """The test files that are missing, by the file that they should test."""
    return {path: test for path, test in modules_to_test(sources) if not (root / test).exists()}


def test_tests_mirror_modules(engine, root):
    missing = unmirrored(engine, root)
    share = 1 - len(missing) / len(list(modules_to_test(engine)))
    assert share >= MIRRORED, missing


def test_a_module_without_a_test_is_seen(source, tmp_path):
    files = [
        source("prunekit/__init__.py", "A = 1\n"),
        source("prunekit/find/__init__.py", '"""A room."""\n'),
        source("prunekit/find/graph.py", "A = 1\n"),
        source("prunekit/compare/__init__.py", "def f(): ...\n"),
        source("prunekit/__main__.py", "f()\n"),
    ]
    (tmp_path / "tests" / "compare").mkdir(parents=True)
    (tmp_path / "tests" / "compare" / "test_compare.py").touch()
    assert unmirrored(files, tmp_path) == {
        "prunekit/__init__.py": "tests/test_prunekit.py",
        "prunekit/find/graph.py": "tests/find/test_graph.py",
    }


def parallel_assignments(sources):
    """``a, b = x, y``, by file and line."""
    return [
        f"{source.path}:{node.lineno}"
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Tuple)
        and any(isinstance(target, ast.Tuple) for target in node.targets)
    ]


def walruses(sources):
    """``(a := x)``, by file and line."""
    return [
        f"{source.path}:{node.lineno}"
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.NamedExpr)
    ]


def test_one_assignment_a_line(engine, plugin_files):
    """Where a line each would be worse, make an exception here, with its reason."""
    assert parallel_assignments([*engine, *plugin_files]) == []
    assert walruses([*engine, *plugin_files]) == []


def test_dense_lines_are_seen(source):
    text = "a, b = 1, 2\n(a, b) = c = f(), g()\na, b = f()\na = 1, 2\nif (d := a):\n    pass\n"
    files = [source("prunekit/dense.py", text)]
    assert parallel_assignments(files) == ["prunekit/dense.py:1", "prunekit/dense.py:2"]
    assert walruses(files) == ["prunekit/dense.py:5"]
