"""Adapters, strategies and tasks by entry point: names come from metadata, and only the chosen plugin is imported."""

import inspect
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint, entry_points
from itertools import accumulate
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pluggy

from prunekit import hookspecs
from prunekit._support.suggest import hint
from prunekit.errors import PrunekitError, one_line

if TYPE_CHECKING:
    from prunekit.data.tasks import TaskPlugin
    from prunekit.find.adapter import Adapter
    from prunekit.learn.strategy import Strategy

T = TypeVar("T")


@dataclass(frozen=True)
class PluginKind(Generic[T]):
    """One sort of plugin. Example: an ``adapter`` comes by an entry point in the group ``prunekit.adapters``.

    Its module implements the hook ``prunekit_adapter``, which returns a class that derives from `base` of the module
    `home`.
    """

    noun: str
    group: str
    home: str
    base: str

    @property
    def hook(self) -> str:
        """The hook that a plugin of this kind implements."""
        return f"prunekit_{self.noun}"


ADAPTERS: PluginKind["Adapter"] = PluginKind("adapter", "prunekit.adapters", "prunekit.find.adapter", "Adapter")
STRATEGIES: PluginKind["Strategy"] = PluginKind(
    "strategy", "prunekit.strategies", "prunekit.learn.strategy", "Strategy"
)
TASKS: PluginKind["TaskPlugin"] = PluginKind("task", "prunekit.tasks", "prunekit.data.tasks", "TaskPlugin")


@dataclass(frozen=True)
class Listed(Generic[T]):
    """One plugin in a listing: its class with a one-line summary, or the sentence that says why it cannot be used."""

    name: str
    distribution: str
    plugin: type[T] | None
    error: str | None = None

    @property
    def summary(self) -> str:
        """The first line of the class's docstring."""
        return inspect.cleandoc(self.plugin.__doc__ or "").partition("\n")[0] if self.plugin else ""


def names(kind: PluginKind[Any]) -> list[str]:
    """The names of all installed plugins of a kind, sorted, without importing any."""
    return sorted(_found(kind))


def load(kind: PluginKind[T], name: str) -> type[T]:
    """The class of the plugin called `name`; only its module is imported.

    Raises `PrunekitError` in one sentence if there is none or more than one of that name, if its import fails, or if
    what it gives is no such class.
    """
    found = _found(kind)
    if name not in found:
        raise PrunekitError(f"There is no {kind.noun} {name!r}; {hint(name, sorted(found))}")
    return _only(kind, found[name])


def catalogue(kind: PluginKind[T]) -> list[Listed[T]]:
    """Every installed plugin of a kind, by name; one that cannot be used is listed with the reason."""
    return [_listed(kind, name, entries) for name, entries in sorted(_found(kind).items())]


def _listed(kind: PluginKind[T], name: str, entries: list[EntryPoint]) -> Listed[T]:
    origin = ", ".join(sorted(map(distribution, entries)))
    try:
        return Listed(name, origin, _only(kind, entries))
    except PrunekitError as error:
        return Listed(name, origin, None, str(error))


def _found(kind: PluginKind[Any]) -> dict[str, list[EntryPoint]]:
    """Entry points by name; a distribution that is seen twice, as an editable one may be, counts once."""
    found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for entry in entry_points(group=kind.group):
        found.setdefault(entry.name, {})[distribution(entry), entry.value] = entry
    return {name: list(entries.values()) for name, entries in found.items()}


def distribution(entry: EntryPoint) -> str:
    """The name of the distribution that an entry point comes from."""
    return (entry.dist and entry.dist.name) or "an unknown distribution"


def _only(kind: PluginKind[T], entries: list[EntryPoint]) -> type[T]:
    entry = entries[0]
    if len(entries) > 1:
        owners = " and ".join(sorted(f"{distribution(e)} ({_file(e)})" for e in entries))
        raise PrunekitError(f"The {kind.noun} {entry.name!r} is offered by {owners}; uninstall one of them.")
    try:
        given = _asked(kind, entry.load())
    except (Exception, SystemExit) as error:  # whatever another author's module does at import
        raise PrunekitError(f"{_titled(kind, entry, _place(entry, error))} {_complaint(entry, error)}.") from error
    return _checked(kind, entry, given)


def _asked(kind: PluginKind[Any], module: object) -> object:
    """What the plugin's hook returns; a hook of a misspelt name is refused by `check_pending`."""
    manager = pluggy.PluginManager("prunekit")
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    manager.check_pending()
    result: object = getattr(manager.hook, kind.hook)()
    return result


def _checked(kind: PluginKind[T], entry: EntryPoint, given: Any) -> type[T]:
    """`given` if it is a usable class of the kind."""
    base = getattr(import_module(kind.home), kind.base)
    if not (isinstance(given, type) and issubclass(given, base)) or inspect.isabstract(given):
        shown = one_line(repr(given))
        lacks = f"does not implement {kind.hook}" if given is None else f"returns {shown} from {kind.hook}"
        raise PrunekitError(
            f"{_titled(kind, entry, _file(entry))} {lacks}; "
            f"the hook must return a subclass of prunekit.{kind.base} whose methods are all there."
        )
    return given


def _titled(kind: PluginKind[Any], entry: EntryPoint, place: str) -> str:
    """``The adapter 'toy' of the distribution 'my-package' (my_package/toy.py, line 3)``."""
    return f"The {kind.noun} {entry.name!r} of the distribution {distribution(entry)!r} ({place})"


def _complaint(entry: EntryPoint, error: BaseException) -> str:
    """What is wrong with a plugin that raised `error`, and what to do."""
    if not _module(entry):
        return "names no module; update or uninstall it"
    # Python names the first part that it does not find, so a name with dots lacks a module of a package that is there.
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and "." not in missing and missing != _package(entry):
        return (
            f"needs the package {missing!r}, which is not installed; install it, for instance with "
            f"pip install {missing}, or uninstall {distribution(entry)!r}"
        )
    said = one_line(error.msg if isinstance(error, SyntaxError) else error)
    return f"cannot be used: {': '.join(filter(None, (type(error).__name__, said)))}; update or uninstall it"


def _place(entry: EntryPoint, error: BaseException) -> str:
    """Where in a plugin's package an error comes from: ``my_package/toy.py, line 3``; its file where nothing ran."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename)}, line {error.lineno}"
    own = [
        f"{_short(frame.f_code.co_filename)}, line {line}"
        for frame, line in walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] == _package(entry)
    ]
    return own[-1] if own else _file(entry)


def _module(entry: EntryPoint) -> str:
    """The dotted name of a plugin's module; nothing where its metadata does not give one."""
    return entry.module if entry.pattern.match(entry.value) else ""


def _package(entry: EntryPoint) -> str:
    """The package at the top that a plugin's module belongs to."""
    return _module(entry).partition(".")[0]


def _file(entry: EntryPoint) -> str:
    """The file of a plugin's module, found without importing anything; the line of metadata where there is none."""
    within: list[str] | None = None
    origin = None
    for name in accumulate(_module(entry).split("."), "{}.{}".format):
        if (spec := PathFinder.find_spec(name, within)) is None:
            return f"entry_points.txt: {entry.name} = {entry.value}"
        within, origin = list(spec.submodule_search_locations or []), spec.origin
    return _short(origin) if origin else _module(entry)


def _short(path: str) -> str:
    """A file relative to where it is imported from."""
    roots = [root for root in sys.path if root and Path(path).is_relative_to(root)]
    return Path(path).relative_to(max(roots, key=len)).as_posix() if roots else path
