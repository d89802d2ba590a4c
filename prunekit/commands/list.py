"""``prunekit list``: the adapters, strategies, tasks and metrics that are installed, the broken with the reason."""

import types
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer
from rich.table import Table
from rich.text import Text

from prunekit.commands import options
from prunekit.commands.console import OUT

if TYPE_CHECKING:
    from prunekit.plugins import Listed, PluginKind


class What(StrEnum):
    """What can be listed."""

    ADAPTERS = "adapters"
    STRATEGIES = "strategies"
    TASKS = "tasks"
    METRICS = "metrics"


def list_plugins(
    what: Annotated[What | None, typer.Argument(help="All four when left out.", show_default=False)] = None,
    debug: options.Debug = False,
) -> None:
    """List the installed adapters, strategies (with their options), tasks and metrics."""
    from prunekit.plugins import ADAPTERS, METRICS, STRATEGIES, TASKS, catalogue

    kinds: dict[What, PluginKind[Any]] = {
        What.ADAPTERS: ADAPTERS,
        What.STRATEGIES: STRATEGIES,
        What.TASKS: TASKS,
        What.METRICS: METRICS,
    }
    for wanted in [what] if what else list(What):
        rows = catalogue(kinds[wanted])
        OUT.print(overview(wanted.value, rows))
        if wanted is What.STRATEGIES:
            for row in rows:
                if row.plugin is not None:
                    OUT.print(options_of(row.name, row.plugin), new_line_start=True)
        OUT.print()


def overview(title: str, rows: "list[Listed[Any]]") -> Table:
    """One row per plugin: its name, what it is, which distribution it comes from."""
    table = _table(title, "", "from")
    for row in rows:
        about = Text(row.summary) if row.error is None else Text(row.error, style="red")
        table.add_row(Text(row.name, style="bold"), about, Text(row.distribution, style="dim"))
    if not rows:
        table.add_row("none", "", "")
    return table


def options_of(name: str, strategy: Any) -> Table:
    """One row per option of a strategy: its default and what it is, with the type."""
    table = _table(f"{name} options", "default", "")
    for option, field in strategy.model_fields.items():
        default = "required" if field.is_required() else field.get_default(call_default_factory=True)
        kind = ", ".join([type_in_words(field.annotation), *filter(None, map(_limit, field.metadata))])
        about = Text.assemble(f"{field.description or ''} ".lstrip(), (f"({kind})", "dim"))
        table.add_row(option, Text("" if default is None else str(default)), about)
    for preset, values in strategy.presets.items():
        if values:
            table.add_row("preset", Text(preset), Text(", ".join(f"{key}={value}" for key, value in values.items())))
    return table


def type_in_words(annotation: Any) -> str:
    """``int or list of int`` for ``int | list[int]``; None among alternatives is not told."""
    inner = [arg for arg in get_args(annotation) if arg is not type(None)]
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(map(type_in_words, inner))
    if get_origin(annotation) is Literal:
        return " or ".join(map(str, inner))
    if get_origin(annotation) in (list, tuple):
        return f"list of {type_in_words(inner[0])}"
    return getattr(annotation, "__name__", str(annotation))


def _limit(constraint: Any) -> str:
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
