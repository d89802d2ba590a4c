"""Adapters, strategies, tasks and metrics by entry point: names come from metadata, only what is chosen is imported."""

import inspect
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pluggy

from prunekit import hookspecs
from prunekit._support.class_summary import class_summary
from prunekit._support.entry_points import (
    distribution_of,
    entries_by_name,
    error_location,
    file_of,
    missing_package,
    module_of,
    source_of,
)
from prunekit._support.suggest import hint
from prunekit.errors import PrunekitError, error_line, one_line

if TYPE_CHECKING:
    from prunekit.data.metrics.metric import Metric
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
METRICS: PluginKind["Metric"] = PluginKind("metric", "prunekit.metrics", "prunekit.data.metrics.metric", "Metric")


@dataclass(frozen=True)
class InstalledPlugin(Generic[T]):
    """An installed plugin with its class, or with the sentence that says why it cannot be used.

    Example: ``nash`` of the distribution ``prunekit`` with the class ``Nash``.
    """

    name: str
    distribution: str
    plugin: type[T] | None
    error: str | None = None


@dataclass(frozen=True)
class PluginSummary:
    """A line about an installed plugin, or the sentence that says why it cannot be used.

    Example: ``t5`` of the distribution ``prunekit`` with the first line of its class's docstring as `text`.
    """

    name: str
    distribution: str
    text: str
    error: str | None = None


def names(kind: PluginKind[Any]) -> list[str]:
    """The names of all installed plugins of a kind, sorted, without importing any."""
    return sorted(entries_by_name(kind.group))


def load(kind: PluginKind[T], name: str) -> type[T]:
    """The class of the plugin called `name`; only its module is imported.

    Raises `PrunekitError` in one sentence if there is none or more than one of that name, if its import fails, or if
    its hook returns no such class.
    """
    found = entries_by_name(kind.group)
    if name not in found:
        raise PrunekitError(f"There is no {kind.noun} {name!r}; {hint(name, sorted(found))}")
    return _class_of(kind, found[name])


def catalogue(kind: PluginKind[T]) -> list[InstalledPlugin[T]]:
    """Every installed plugin of a kind, by name, imported; one that cannot be used has the reason instead."""
    return [_installed(kind, name, entries) for name, entries in sorted(entries_by_name(kind.group).items())]


def summaries(kind: PluginKind[Any]) -> list[PluginSummary]:
    """A line about every installed plugin of a kind, by name.

    The lines are read from sources. Only a plugin whose source leaves doubts is imported, to know what is wrong with
    it. So a class that lacks a method passes here, and is refused by `load`.
    """
    return [_summary(kind, name, entries) for name, entries in sorted(entries_by_name(kind.group).items())]


def _summary(kind: PluginKind[Any], name: str, entries: list[EntryPoint]) -> PluginSummary:
    source = source_of(entries[0]) if len(entries) == 1 else None
    text = class_summary(source, kind.hook) if source is not None else None
    if text is not None:
        return PluginSummary(name, distribution_of(entries[0]), text)
    loaded = _installed(kind, name, entries)
    docstring = inspect.cleandoc(loaded.plugin.__doc__ or "") if loaded.plugin else ""
    return PluginSummary(name, loaded.distribution, docstring.partition("\n")[0], loaded.error)


def _installed(kind: PluginKind[T], name: str, entries: list[EntryPoint]) -> InstalledPlugin[T]:
    origin = ", ".join(sorted(map(distribution_of, entries)))
    try:
        return InstalledPlugin(name, origin, _class_of(kind, entries))
    except PrunekitError as error:
        return InstalledPlugin(name, origin, None, str(error))


def _class_of(kind: PluginKind[T], entries: list[EntryPoint]) -> type[T]:
    """The class of the one plugin among `entries`, which have one name."""
    entry = entries[0]
    if len(entries) > 1:
        owners = " and ".join(sorted(f"{distribution_of(each)} ({file_of(each)})" for each in entries))
        raise PrunekitError(f"The {kind.noun} {entry.name!r} is offered by {owners}; uninstall one of them.")
    try:
        returned = _returned(kind, entry.load())
    except (Exception, SystemExit) as error:  # whatever another author's module does at import
        raise PrunekitError(_sentence(kind, entry, error_location(entry, error), _reason(entry, error))) from error
    base = getattr(import_module(kind.home), kind.base)
    if isinstance(returned, type) and issubclass(returned, base) and not inspect.isabstract(returned):
        return returned
    lacks = f"returns {one_line(repr(returned))} from" if returned is not None else "does not implement"
    wanted = f"the hook must return a subclass of prunekit.{kind.base} that implements all of its abstract methods"
    raise PrunekitError(_sentence(kind, entry, file_of(entry), f"{lacks} {kind.hook}; {wanted}"))


def _returned(kind: PluginKind[Any], module: object) -> object:
    """What the plugin's hook returns; a hook of a misspelt name is refused by `check_pending`."""
    manager = pluggy.PluginManager("prunekit")
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    manager.check_pending()
    result: object = getattr(manager.hook, kind.hook)()
    return result


def _sentence(kind: PluginKind[Any], entry: EntryPoint, place: str, predicate: str) -> str:
    """``The adapter 'toy' of the distribution 'my-package' (my_package/toy.py, line 3) cannot be used: ...``."""
    return f"The {kind.noun} {entry.name!r} of the distribution {distribution_of(entry)!r} ({place}) {predicate}."


def _reason(entry: EntryPoint, error: BaseException) -> str:
    """What is wrong with a plugin that raised `error`, and what to do."""
    if not module_of(entry):
        return "names no module; update or uninstall it"
    missing = missing_package(entry, error)
    if missing is not None:
        return (
            f"needs the package {missing!r}, which is not installed; install it, for instance with "
            f"pip install {missing}, or uninstall {distribution_of(entry)!r}"
        )
    found = f"{type(error).__name__}: {one_line(error.msg)}" if isinstance(error, SyntaxError) else error_line(error)
    return f"cannot be used: {found}; update or uninstall it"
