"""``prunekit list``: the installed adapters, strategies, tasks and metrics, broken ones with the reason."""

import inspect
import types
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer
from rich.table import Table
from rich.text import Text

from prunekit.commands import options
from prunekit.commands.console import OUT

if TYPE_CHECKING:
    from prunekit.plugins import PluginKind, PluginSummary


class What(StrEnum):
    """A kind of plugin, as it is written on the command line."""

    ADAPTERS = "adapters"
    STRATEGIES = "strategies"
    TASKS = "tasks"
    METRICS = "metrics"


def list_plugins(
    what: Annotated[
        What | None,
        typer.Argument(metavar="KIND", help="What to list; by default all four.", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Describe this one, with a strategy's options.", show_default=False),
    ] = None,
    debug: options.Debug = False,
) -> None:
    """List the installed adapters, strategies, tasks and metrics, or describe one of them."""
    from prunekit.plugins import ADAPTERS, METRICS, STRATEGIES, TASKS, load, summaries

    kinds: dict[What, PluginKind[Any]] = {
        What.ADAPTERS: ADAPTERS,
        What.STRATEGIES: STRATEGIES,
        What.TASKS: TASKS,
        What.METRICS: METRICS,
    }
    if what is not None and name is not None:
        print_plugin(name, load(kinds[what], name))
        return
    for each in [what] if what else list(What):
        OUT.print(summary_table(each.value, summaries(kinds[each])))
        OUT.print()
    OUT.print(Text("Options of a strategy: prunekit list strategies NAME", style="dim"))


def print_plugin(name: str, plugin: Any) -> None:
    """Print a plugin's docstring, and the options of a strategy."""
    OUT.print(Text(name, style="bold cyan"))
    OUT.print(Text(inspect.getdoc(plugin) or ""))
    if hasattr(plugin, "model_fields"):
        OUT.print(options_table(name, plugin), new_line_start=True)


def summary_table(title: str, rows: "Sequence[PluginSummary]") -> Table:
    """One row per plugin: its name, its summary or what is wrong with it, and its distribution."""
    table = _table(title, "", "from")
    for row in rows:
        text = Text(row.text) if row.error is None else Text(row.error, style="red")
        table.add_row(Text(row.name, style="bold"), text, Text(row.distribution, style="dim"))
    if not rows:
        table.add_row("none", "", "")
    return table


def options_table(name: str, strategy: Any) -> Table:
    """One row per option of a strategy: its default, its description and its type; then the presets."""
    from prunekit.learn.strategy import options_in_order

    table = _table(f"{name} options", "default", "")
    for option, field in options_in_order(strategy).items():
        default = "required" if field.is_required() else field.get_default(call_default_factory=True)
        kind = ", ".join([type_text(field.annotation), *filter(None, map(_bound, field.metadata))])
        about = Text.assemble(f"{field.description or ''} ".lstrip(), (f"({kind})", "dim"))
        table.add_row(option, Text("" if default is None else str(default)), about)
    for preset, values in strategy.presets.items():
        if values:
            table.add_row("preset", Text(preset), Text(", ".join(f"{key}={value}" for key, value in values.items())))
    return table


def type_text(annotation: Any) -> str:
    """``int or list of int`` for ``int | list[int]``; None among alternatives is left out."""
    inner = [arg for arg in get_args(annotation) if arg is not type(None)]
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(map(type_text, inner))
    if get_origin(annotation) is Literal:
        return " or ".join(map(str, inner))
    if get_origin(annotation) in (list, tuple):
        return f"list of {type_text(inner[0])}"
    return getattr(annotation, "__name__", str(annotation))


def _bound(constraint: Any) -> str:
    """``>= 0`` for a bound of a field, nothing for other constraints."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    found: Iterator[str] = (
        f"{sign} {getattr(constraint, key)}" for key, sign in signs.items() if hasattr(constraint, key)
    )
    return next(found, "")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold cyan")
    for column in columns:
        table.add_column(column)
    return table
