"""Whether a plugin imports from prunekit only what is public."""

import ast
import inspect
from pathlib import Path

import prunekit


def private_imports(plugin: type) -> list[str]:
    """What the file of a plugin's class imports from prunekit that may change from one version to the next.

    Public are the names of `prunekit` itself and `prunekit.testing`. Example: ``["prunekit.cut.surgery"]``.
    """
    path = inspect.getsourcefile(plugin)
    assert path is not None
    return [name for name in _imported(Path(path).read_text(encoding="utf-8")) if not _is_public(name)]


def _imported(source: str) -> list[str]:
    """The dotted names that a module imports from prunekit; a public name is ``prunekit.Name``."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name for name in names if name.split(".")[0] == "prunekit"]


def _is_public(name: str) -> bool:
    exported = name.removeprefix("prunekit.") in prunekit.__all__
    return name == "prunekit" or exported or name.startswith("prunekit.testing")
