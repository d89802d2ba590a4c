"""``prunekit inspect``: what of a model can be pruned, and what must go together."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from prunekit.commands import options
from prunekit.commands.console import OUT

if TYPE_CHECKING:
    from prunekit.find.graph import DependencyGraph
    from prunekit.find.size import Size
    from prunekit.find.units import PruningGroup
    from prunekit.subject import Structure

NAMES = 8
"""Modules that are named in a row; where there are more, their tensors are counted."""


def inspect(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A directory with a config.json, or a hub id.")],
    adapter: options.Adapter = None,
    every: Annotated[bool, typer.Option("--all", help="One row per group, equal layers included.")] = False,
    debug: options.Debug = False,
) -> None:
    """Show a model's pruning groups: their units, what they weigh, what is cut together.

    Only the config is read; no weights are loaded.
    """
    from prunekit.subject import open_structure

    structure = open_structure(model, adapter)
    OUT.print(heading(structure), soft_wrap=True)
    OUT.print(groups_table(structure.graph, every))
    OUT.print()
    for first, others in tied(structure.graph).items():
        OUT.print(Text(f"tied to {first}: {', '.join(others)}", style="dim"), soft_wrap=True)


@dataclass(frozen=True)
class Row:
    """Groups that look the same, layer by layer. Example: 12 times 12 heads of 196,608 parameters each."""

    label: str
    groups: tuple["PruningGroup", ...]
    unit: str
    total: int
    couplings: str

    def cells(self, whole: int) -> tuple[str, ...]:
        """The row as it is shown; `whole` is the size of the model."""
        first = self.groups[0]
        layers = spans([group.layer for group in self.groups if group.layer is not None])
        couplings = self.couplings if first.prunable else f"{self.couplings}, not cut yet"
        counted = (f"{len(first):,}", self.unit, f"{self.total:,}", f"{self.total / whole:.1%}")
        return (self.label, layers, *counted, couplings)


def heading(structure: "Structure") -> Text:
    """Type, adapter and parameters by part."""
    graph = structure.graph
    parts = ", ".join(
        f"{part} {size:,}"
        for part in ("embedding", "encoder", "decoder", "head")
        if (size := graph.size_of(part).whole)
    )
    name = f"{structure.model_type} ({type(structure.adapter).__name__}, adapter {structure.name})"
    return Text(f"{name}: {graph.size.whole:,} parameters: {parts}\n")


def groups_table(graph: "DependencyGraph", every: bool) -> Table:
    """Equal groups of different layers in one row, unless every group is asked for."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold cyan")
    for column in ("group", "layers"):
        table.add_column(column, no_wrap=True)
    for column in ("units", "each", "together", "share"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("rows | columns", overflow="fold")
    size = graph.size
    for row in rows_of(graph.groups, size, every):
        table.add_row(*row.cells(size.whole), style="" if row.groups[0].prunable else "dim")
    return table


def rows_of(groups: Iterable["PruningGroup"], size: "Size", every: bool) -> list[Row]:
    """The rows in the order of the groups."""
    alike: dict[tuple[str, int, str, str], list[PruningGroup]] = defaultdict(list)
    for group in groups:
        key = (group.name if every else label_of(group), len(group), unit_of(group, size), couplings_of(group))
        alike[key].append(group)
    return [
        Row(label, tuple(same), unit, sum(weight_of(group, size) for group in same), couplings)
        for (label, _, unit, couplings), same in alike.items()
    ]


def label_of(group: "PruningGroup") -> str:
    """``encoder self.heads`` for ``encoder.3.self.heads``: the name without the layer."""
    return group.name if group.layer is None else group.name.replace(f".{group.layer}.", " ", 1)


def weight_of(group: "PruningGroup", size: "Size") -> int:
    """The parameters that go if all of the group goes."""
    return int(size.whole - size({group.name: [0] * len(group)}))


def unit_of(group: "PruningGroup", size: "Size") -> str:
    """The parameters that one unit takes with it, from the lightest to the heaviest where units differ."""
    positions = range(len(group)) if group.covers else range(min(1, len(group)))
    weights = {int(size.whole - size({group.name: [int(i != at) for i in range(len(group))]})) for at in positions}
    return " to ".join(f"{weight:,}" for weight in sorted({min(weights), max(weights)})) if weights else "0"


def couplings_of(group: "PruningGroup") -> str:
    """``k q v | o``: the modules that lose rows, then those that lose columns; where they are many, their number."""
    if group.covers:
        return "whole layers"
    rows, columns = (dict.fromkeys(short(s.parameter) for s in group.slices if s.dim == dim) for dim in (0, 1))
    if len(rows) + len(columns) > NAMES:
        return f"{len(group.slices)} tensors"
    return " | ".join(" ".join(side) for side in (rows, columns) if side)


def short(parameter: str) -> str:
    """``q`` for ``encoder.block.0.layer.0.SelfAttention.q.weight`` and for its bias."""
    return parameter.rpartition(".")[0].rpartition(".")[2]


def spans(numbers: Sequence[int]) -> str:
    """``0-3, 5`` for 0, 1, 2, 3 and 5."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def tied(graph: "DependencyGraph") -> dict[str, list[str]]:
    """Every tied parameter with its other names."""
    names: dict[str, list[str]] = defaultdict(list)
    for other, first in graph.ties.items():
        names[first].append(other)
    return names
