"""Adapters, strategies and tasks by entry point: names come from metadata, and only the chosen plugin is imported."""

import inspect
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pluggy

from prunekit import hookspecs
from prunekit.data.spelling import hint
from prunekit.errors import PrunekitError

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
    if len(entries) > 1:
        owners = " and ".join(sorted(map(distribution, entries)))
        raise PrunekitError(f"The {kind.noun} {entries[0].name!r} is offered by {owners}; uninstall one of them.")
    entry = entries[0]
    try:
        given = _asked(kind, entry.load())
    except (Exception, SystemExit) as error:  # whatever another author's module does at import
        raise PrunekitError(
            f"The {kind.noun} {entry.name!r} of the distribution {distribution(entry)!r} cannot be used: "
            f"{type(error).__name__}: {' '.join(str(error).split())}; update or uninstall it."
        ) from error
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
        lacks = f"does not implement {kind.hook}" if given is None else f"returns {given!r} from {kind.hook}"
        raise PrunekitError(
            f"The {kind.noun} {entry.name!r} of the distribution {distribution(entry)!r} {lacks}; "
            f"the hook must return a subclass of prunekit.{kind.base} whose methods are all there."
        )
    return given
