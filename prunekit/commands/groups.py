"""Pruning groups as a table, and the words and figures that are told of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from prunekit.find.graph import DependencyGraph
    from prunekit.find.groups import PruningGroup
    from prunekit.find.size import Size

NAMES = 8
"""Modules that are named in a row; where there are more, their tensors are counted."""


@dataclass(frozen=True)
class GroupRow:
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
        couplings = self.couplings if first.prunable else f"{self.couplings}, left whole"
        counted = (f"{len(first):,}", self.unit, f"{self.total:,}", f"{self.total / whole:.1%}")
        return (self.label, layers, *counted, couplings)


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


def rows_of(groups: Iterable["PruningGroup"], size: "Size", every: bool) -> list[GroupRow]:
    """The rows in the order of the groups."""
    alike: dict[tuple[str, int, str, str], list[PruningGroup]] = defaultdict(list)
    for group in groups:
        key = (group.name if every else label_of(group), len(group), unit_of(group, size), couplings_of(group))
        alike[key].append(group)
    return [
        GroupRow(label, tuple(same), unit, sum(weight_of(group, size) for group in same), couplings)
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
    weights = {parameters_lost(group, at, size) for at in positions}
    return " to ".join(f"{weight:,}" for weight in sorted({min(weights), max(weights)})) if weights else "0"


def parameters_lost(group: "PruningGroup", at: int, size: "Size") -> int:
    """The parameters that go with the unit at a position."""
    return int(size.whole - size({group.name: [int(i != at) for i in range(len(group))]}))


def couplings_of(group: "PruningGroup") -> str:
    """``k q v | o``: the modules that lose rows, then those that lose columns; where they are many, their number."""
    if group.covers:
        return "whole layers"
    rows, columns = (dict.fromkeys(shortened(s.parameter) for s in group.slices if s.dim == dim) for dim in (0, 1))
    if len(rows) + len(columns) > NAMES:
        return f"{len(group.slices)} tensors"
    return " | ".join(" ".join(side) for side in (rows, columns) if side)


def shortened(parameter: str) -> str:
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
