"""A model as a tree: its parts, their layers, the groups of a layer, and the parameters that each group cuts."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from rich.text import Text
from rich.tree import Tree

from prunekit.commands.groups import number_ranges, tied_names, unit_parameters, unit_text
from prunekit.find.groups import Kind, PruningGroup, Slice

if TYPE_CHECKING:
    from prunekit.find.graph import DependencyGraph
    from prunekit.find.size import Size

LayerEntries = tuple[tuple[str, str, tuple[str, ...]], ...]
"""What is shown below a layer: names, descriptions, and the lines below them. Equal layers share a branch."""


def model_tree(title: str, graph: "DependencyGraph", every: bool) -> Tree:
    """Every parameter once at its place, then the groups that run through the whole model.

    Equal layers share a branch, unless `every` is set. A tied parameter is shown under its first name.
    """
    root = Tree(Text(title, style="bold"), guide_style="dim")
    stacks = {group.stack: group for group in graph.groups if group.kind is Kind.LAYERS}
    inside = set().union(*(stack.parameters() for stack in stacks.values()))
    for part in ("embedding", *stacks, "head"):
        names = [name for name, where in graph.parts.items() if where == part]
        if names:
            branch = root.add(_part_label(part, graph, stacks.get(part)))
            if part in stacks:
                _add_layers(branch, stacks[part], graph, every)
            _add_parameters(branch, [name for name in names if name not in inside], tied_names(graph))
    _add_hidden_groups(root, "", graph)
    return root


def _part_label(part: str, graph: "DependencyGraph", stack: PruningGroup | None) -> Text:
    """``encoder: 1,234 parameters, 12 units in encoder.layers``."""
    parameters = f"{graph.size_of(part).whole:,} parameters"
    return _label(part, f"{parameters}, {len(stack)} units in {stack.name}" if stack else parameters)


def _label(name: str, description: str, dim: bool = False) -> Text:
    """The label of a branch."""
    return Text.assemble((name, "" if dim else "cyan"), f": {description}", style="dim" if dim else "")


def _add_layers(branch: Tree, stack: PruningGroup, graph: "DependencyGraph", every: bool) -> None:
    """The layers of a stack by their original numbers, with their present paths; equal layers together."""
    size = graph.size
    alike: dict[tuple[int | None, int, LayerEntries], list[int]] = defaultdict(list)
    for position, number in enumerate(stack.ids):
        entries = _layer_entries(stack, position, graph, size)
        alike[number if every else None, unit_parameters(stack, position, size), entries].append(position)
    for (_, parameters, entries), positions in alike.items():
        layer = branch.add(_layers_label(stack, positions, parameters))
        for name, description, lines in entries:
            _add_lines(layer.add(_label(name, description)), lines)


def _layers_label(stack: PruningGroup, positions: list[int], parameters: int) -> Text:
    """``layers 0, 2: decoder.block.0-1, 12,345 parameters each``: original numbers, then present paths."""
    numbers = number_ranges([stack.ids[position] for position in positions])
    paths = f"{stack.path}.{number_ranges(positions)}, {parameters:,} parameters"
    return _label(f"layer {numbers}", paths) if len(positions) == 1 else _label(f"layers {numbers}", f"{paths} each")


def _layer_entries(stack: PruningGroup, position: int, graph: "DependencyGraph", size: "Size") -> LayerEntries:
    """The groups of a layer with their parameters, named relative to it, then the parameters in none of them."""
    number = stack.ids[position]
    prefix = f"{stack.path}.{position}."
    groups = [group for group in graph.groups if group.stack == stack.stack and group.layer == number]
    grouped = set().union(*(group.parameters() for group in groups))
    rest = ", ".join(name.removeprefix(prefix) for name in stack.covers[position] if name not in grouped)

    def names_in_layer(names: list[str]) -> str:
        return names_by_module(name.removeprefix(prefix) for name in names)

    entries = (
        (
            group.name.removeprefix(f"{stack.stack}.{number}."),
            units_text(group, size),
            tuple(describe_slices(group.slices, names_in_layer)),
        )
        for group in groups
    )
    return (*entries, *([("in no group of the layer", rest, ())] if rest else []))


def _add_parameters(branch: Tree, names: Iterable[str], others: dict[str, list[str]]) -> None:
    """Parameters outside the layers, with the other names of tied ones."""
    for name in names:
        aliases = f", also {', '.join(others[name])}" if name in others else ""
        branch.add(Text(name + aliases))


def _add_hidden_groups(branch: Tree, outer: str, graph: "DependencyGraph") -> None:
    """The groups of no layer that lie within the group `outer`; inside layers their modules are counted."""
    for group in graph.groups:
        if group.layer is None and group.kind is not Kind.LAYERS and group.within == outer:
            inner = branch.add(_label(group.name, _hidden_text(group, graph.size), dim=not group.prunable))
            for stack, slices in slices_by_stack(group, graph).items():
                if stack:
                    _add_lines(inner.add(Text(stack)), describe_slices(slices, counts_by_module))
                else:
                    _add_lines(inner, describe_slices(slices, ", ".join))
            _add_hidden_groups(inner, group.name, graph)


def _hidden_text(group: PruningGroup, size: "Size") -> str:
    """Units, the group around it, and the tables from which a narrower model gathers columns."""
    within = f", within {group.within}" if group.within else ""
    lookups = f"; if narrower, gathered at {', '.join(group.lookups)}" if group.lookups else ""
    return units_text(group, size) + within + lookups


def slices_by_stack(group: PruningGroup, graph: "DependencyGraph") -> dict[str, list[Slice]]:
    """A group's slices by the layers that hold them, like ``decoder.block.0-11``; ``""`` holds those outside."""
    paths = [f"{stack.path}." for stack in graph.groups if stack.kind is Kind.LAYERS]
    found = {"": [piece for piece in group.slices if not piece.parameter.startswith(tuple(paths))]}
    for path in paths:
        inside = [piece for piece in group.slices if piece.parameter.startswith(path)]
        numbers = {int(piece.parameter.removeprefix(path).split(".")[0]) for piece in inside}
        found |= {path + number_ranges(sorted(numbers)): inside} if inside else {}
    return found


def units_text(group: PruningGroup, size: "Size") -> str:
    """``12 units of 196,608 parameters``."""
    noun = "unit" if len(group) == 1 else "units"
    text = f"{len(group):,} {noun} of {unit_text(group, size)} parameters" if len(group) else "all units removed"
    return text if group.prunable else f"{text}, kept whole"


def describe_slices(slices: Iterable[Slice], names_text: Callable[[list[str]], str]) -> Iterator[str]:
    """``64 rows of ...`` and ``64 columns of ...``: the slices of one unit, rows first."""
    alike: dict[tuple[int, int], list[str]] = defaultdict(list)
    for piece in slices:
        alike[piece.dim, piece.width].append(piece.parameter)
    for (dim, width), names in sorted(alike.items()):
        noun = ("row", "column")[dim] if dim < 2 else f"dimension-{dim} slice"
        yield f"{width:,} {noun}{'' if width == 1 else 's'} of {names_text(names)}"


def names_by_module(names: Iterable[str]) -> str:
    """``layer.0.SelfAttention: k.weight, q.weight``: names after the module that they share."""
    owners: dict[str, list[str]] = defaultdict(list)
    for name in names:
        parts = name.split(".")
        owners[".".join(parts[:-2])].append(".".join(parts[-2:]))
    return "; ".join(f"{owner}: {', '.join(own)}" if owner else ", ".join(own) for owner, own in owners.items())


def counts_by_module(names: Iterable[str]) -> str:
    """``each of 24 o, 12 wo``: how many modules have each name."""
    modules = dict.fromkeys(name.rpartition(".")[0] for name in names)
    counts = Counter(module.rpartition(".")[2] for module in modules)
    return "each of " + ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _add_lines(branch: Tree, lines: Iterable[str]) -> None:
    """Plain lines below a branch."""
    for line in lines:
        branch.add(Text(line))
