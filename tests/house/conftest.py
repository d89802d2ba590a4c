"""The source files that the house rules look at, and how a rule reads one."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Source:
    """One Python file. Example: ``prunekit/find/graph.py``, the module ``prunekit.find.graph`` of the room ``find``."""

    path: str
    text: str = field(repr=False)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def module(self) -> str:
        """``prunekit_adapters.t5`` for ``adapters/prunekit_adapters/t5.py``; a package's name for its ``__init__``."""
        parts = self.path.removesuffix(".py").split("/")
        start = next(i for i, part in enumerate(parts) if part.startswith("prunekit"))
        return ".".join(part for part in parts[start:] if part != "__init__")

    @property
    def package(self) -> str:
        """The package that a file lies in: ``prunekit.find`` for ``prunekit/find/graph.py``."""
        return self.module if self.path.endswith("__init__.py") else self.module.rpartition(".")[0]

    @property
    def room(self) -> str:
        """``find`` for ``prunekit/find/graph.py``, ``cli`` for ``prunekit/cli.py``, nothing for the public door."""
        return self.module.split(".")[1] if "." in self.module else ""

    def imports(self) -> Iterator[tuple[str, str]]:
        """Every import, wherever it stands, as (module, name), relative ones by their whole name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                module = resolve_name("." * node.level + (node.module or ""), self.package)
                yield from ((module, alias.name) for alias in node.names)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    def public(self) -> Iterator[ast.ClassDef | ast.FunctionDef]:
        """The public classes and functions at the top of the file; those of a hook have its name and do not count."""
        for node in self.tree.body:
            named = isinstance(node, ast.ClassDef | ast.FunctionDef)
            if named and not node.name.startswith("_") and not node.name.startswith("prunekit_"):
                yield node


def read(*folders: str) -> list[Source]:
    """All Python files below some folders of the repository, sorted."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def engine() -> list[Source]:
    """The files of `prunekit`."""
    return read("prunekit")


@pytest.fixture(scope="session")
def plugin_files() -> list[Source]:
    """The files of the adapters and strategies that come along."""
    return read("adapters", "strategies")


@pytest.fixture(scope="session")
def other_files() -> list[Source]:
    """The files of benchmarks, examples and tests; stored checkpoints apart, whose code an earlier version wrote."""
    return [each for each in read("benchmarks", "examples", "tests") if "/format2/" not in each.path]


@pytest.fixture(scope="session")
def source():
    """Make a `Source` of a path and a text, to show a rule an offender."""
    return Source
