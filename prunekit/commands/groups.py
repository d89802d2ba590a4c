"""A model's pruning groups as a table: units, sizes and couplings."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from prunekit.find.graph import DependencyGraph
    from prunekit.find.groups import PruningGroup
    from prunekit.find.size import Size

MAX_MODULES = 8
"""A row names its modules up to this many; if there are more, it counts their tensors."""


@dataclass(frozen=True)
class GroupRow:
    """Groups that look the same, layer by layer. Example: 12 times 12 heads of 196,608 parameters each.

    `unit` and `couplings` are texts, `parameters` counts all of these groups together.
    """

    label: str
    groups: tuple["PruningGroup", ...]
    unit: str
    parameters: int
    couplings: str

    def texts(self, model_parameters: int) -> tuple[str, ...]:
        """The row as the table shows it, with its share of the model's parameters."""
        first = self.groups[0]
        layers = number_ranges([group.layer for group in self.groups if group.layer is not None])
        share = f"{self.parameters / model_parameters:.1%}"
        couplings = self.couplings if first.prunable else f"{self.couplings}, kept whole"
        return (self.label, layers, f"{len(first):,}", self.unit, f"{self.parameters:,}", share, couplings)


def groups_table(graph: "DependencyGraph", every: bool) -> Table:
    """One row for equal groups of different layers, or with `every` one row for every group."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold cyan")
    for column in ("group", "layers"):
        table.add_column(column, no_wrap=True)
    for column in ("units", "each", "together", "share"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("rows | columns", overflow="fold")
    size = graph.size
    for row in merge_equal_groups(graph.groups, size, every):
        table.add_row(*row.texts(size.whole), style="" if row.groups[0].prunable else "dim")
    return table


def merge_equal_groups(groups: Iterable["PruningGroup"], size: "Size", every: bool) -> list[GroupRow]:
    """The rows of the table, in the order of the groups."""
    alike: dict[tuple[str, int, str, str], list[PruningGroup]] = defaultdict(list)
    for group in groups:
        label = group.name if every else group_label(group)
        alike[label, len(group), unit_text(group, size), couplings_text(group)].append(group)
    return [
        GroupRow(label, tuple(same), unit, sum(group_parameters(group, size) for group in same), couplings)
        for (label, _, unit, couplings), same in alike.items()
    ]


def group_label(group: "PruningGroup") -> str:
    """``encoder self.heads`` for ``encoder.3.self.heads``: the name without the layer."""
    return group.name if group.layer is None else group.name.replace(f".{group.layer}.", " ", 1)


def group_parameters(group: "PruningGroup", size: "Size") -> int:
    """The number of parameters that are removed with the whole group."""
    return int(size.whole - size({group.name: [0] * len(group)}))


def unit_parameters(group: "PruningGroup", position: int, size: "Size") -> int:
    """The number of parameters that are removed with the unit at a position."""
    return int(size.whole - size({group.name: [int(i != position) for i in range(len(group))]}))


def unit_text(group: "PruningGroup", size: "Size") -> str:
    """The parameters of one unit, as ``196,608``, or as ``100 to 200`` if units differ."""
    positions = range(len(group)) if group.covers else range(min(1, len(group)))
    counts = {unit_parameters(group, position, size) for position in positions}
    return " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)})) if counts else "0"


def couplings_text(group: "PruningGroup") -> str:
    """``k q v | o``: the modules that lose rows, then those that lose columns; their number if they are many."""
    if group.covers:
        return "whole layers"
    rows, columns = (dict.fromkeys(module_name(s.parameter) for s in group.slices if s.dim == dim) for dim in (0, 1))
    if len(rows) + len(columns) > MAX_MODULES:
        return f"{len(group.slices)} tensors"
    return " | ".join(" ".join(side) for side in (rows, columns) if side)


def module_name(parameter: str) -> str:
    """``q`` for ``encoder.block.0.layer.0.SelfAttention.q.weight`` and for its bias."""
    return parameter.rpartition(".")[0].rpartition(".")[2]


def number_ranges(numbers: Sequence[int]) -> str:
    """``0-3, 5`` for 0, 1, 2, 3 and 5."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    return ", ".join(str(each[0]) if len(each) == 1 else f"{each[0]}-{each[-1]}" for each in ranges)


def tied_names(graph: "DependencyGraph") -> dict[str, list[str]]:
    """Every tied parameter with its other names."""
    names: dict[str, list[str]] = defaultdict(list)
    for other, first in graph.ties.items():
        names[first].append(other)
    return names
