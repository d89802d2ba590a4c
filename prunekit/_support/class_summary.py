"""The summary of a plugin's class, read from the source of its module instead of importing it.

An import may take seconds, as that of torch does. Whatever makes it doubtful that the module can be imported gives no
summary, so that the caller imports it to find out.
"""

import ast
import inspect
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from types import ModuleType


def class_summary(source: str, hook: str) -> str | None:
    """The first line of the docstring of the class that the function `hook` returns; None if the source is no proof.

    Example: ``"An adapter."`` for ``class A(Adapter): "An adapter."`` and ``def prunekit_adapter(): return A``.
    """
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    returned = classes.get(_returned_name(functions.get(hook)))
    if returned is None or not returned.bases or not all(map(_can_import, module.body)):
        return None
    return inspect.cleandoc(ast.get_docstring(returned) or "").partition("\n")[0]


def _returned_name(function: ast.FunctionDef | None) -> str:
    """``A`` for ``@hookimpl def f(): return A``; empty for every other function."""
    if function is None or [ast.unparse(each) for each in function.decorator_list] != ["hookimpl"]:
        return ""
    last = function.body[-1]
    return last.value.id if isinstance(last, ast.Return) and isinstance(last.value, ast.Name) else ""


def _can_import(statement: ast.stmt) -> bool:
    """Whether the packages of an import are installed, and its names known where the module is imported already."""
    if isinstance(statement, ast.Import):
        return all(_is_installed(alias.name) for alias in statement.names)
    if not isinstance(statement, ast.ImportFrom) or statement.level or statement.module is None:
        return True
    module = sys.modules.get(statement.module)
    if module is None:
        return _is_installed(statement.module)
    known = {*vars(module), *getattr(module, "__all__", ())}
    return all(alias.name in known or _is_submodule(module, alias.name) for alias in statement.names)


def _is_submodule(package: ModuleType, name: str) -> bool:
    """Whether a package that is imported already has a module of this name."""
    return PathFinder.find_spec(name, getattr(package, "__path__", [])) is not None


def _is_installed(module: str) -> bool:
    """Whether the package at the top of a module is found; finding it imports nothing."""
    try:
        return find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False
