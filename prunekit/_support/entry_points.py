"""Entry points of installed distributions: which there are, and where their modules and their errors lie."""

import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from itertools import accumulate
from pathlib import Path
from traceback import walk_tb


def entries_by_name(group: str) -> dict[str, list[EntryPoint]]:
    """The entry points of a group by name; a distribution seen twice, as an editable one may be, counts once."""
    found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for entry in entry_points(group=group):
        found.setdefault(entry.name, {})[distribution_of(entry), entry.value] = entry
    return {name: list(entries.values()) for name, entries in found.items()}


def distribution_of(entry: EntryPoint) -> str:
    """The name of the distribution that an entry point comes from."""
    return (entry.dist and entry.dist.name) or "an unknown distribution"


def module_of(entry: EntryPoint) -> str:
    """The dotted name of the module that an entry point names; empty where its metadata gives none."""
    return entry.module if entry.pattern.match(entry.value) else ""


def file_of(entry: EntryPoint) -> str:
    """The file of an entry point's module, found without an import; the line of metadata where there is none."""
    spec = _spec_of(entry)
    if spec is None:
        return f"entry_points.txt: {entry.name} = {entry.value}"
    return _relative(spec.origin) if spec.origin else module_of(entry)


def source_of(entry: EntryPoint) -> str | None:
    """The source of an entry point's module, read without an import; None if it is not found or is no Python source."""
    spec = _spec_of(entry)
    if spec is None or not isinstance(spec.loader, SourceFileLoader):
        return None
    try:
        return spec.loader.get_source(spec.name)
    except (ImportError, OSError):
        return None


def _spec_of(entry: EntryPoint) -> ModuleSpec | None:
    """Where the import system finds an entry point's module, without importing the packages around it."""
    within: list[str] | None = None
    spec = None
    for name in accumulate(module_of(entry).split("."), "{}.{}".format):
        spec = PathFinder.find_spec(name, within)
        if spec is None:
            return None
        within = list(spec.submodule_search_locations or [])
    return spec


def error_location(entry: EntryPoint, error: BaseException) -> str:
    """Where in an entry point's package an error comes from: ``my_package/toy.py, line 3``; its file if nothing ran."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_relative(error.filename)}, line {error.lineno}"
    lines = [
        f"{_relative(frame.f_code.co_filename)}, line {line}"
        for frame, line in walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] == _package_of(entry)
    ]
    return lines[-1] if lines else file_of(entry)


def missing_package(entry: EntryPoint, error: BaseException) -> str | None:
    """The package of somebody else whose absence is the error; None for other errors.

    Python names the first part of a module that it does not find, so a name with dots lacks a module of a package that
    is there.
    """
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return missing if missing and "." not in missing and missing != _package_of(entry) else None


def _package_of(entry: EntryPoint) -> str:
    """The package at the top that an entry point's module belongs to."""
    return module_of(entry).partition(".")[0]


def _relative(path: str) -> str:
    """A file relative to where it is imported from."""
    roots = [root for root in sys.path if root and Path(path).is_relative_to(root)]
    return Path(path).relative_to(max(roots, key=len)).as_posix() if roots else path
