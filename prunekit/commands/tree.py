"""A model as a tree: its parts, their layers, the groups in them, the parameters that each group cuts together."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from rich.text import Text
from rich.tree import Tree

from prunekit.commands.groups import parameters_lost, spans, tied, unit_of
from prunekit.find.groups import Kind, PruningGroup, Slice

if TYPE_CHECKING:
    from prunekit.find.graph import DependencyGraph
    from prunekit.find.size import Size

Contents = tuple[tuple[str, str, tuple[str, ...]], ...]
"""What stands below a layer: names, what is said of each, its leaves. Layers that read the same share a branch."""


def model_tree(title: str, graph: "DependencyGraph", every: bool) -> Tree:
    """Every parameter once where it lies, then the groups that run through the whole model.

    Equal layers share a branch unless `every` asks for each; tied parameters stand under their first name.
    """
    root = Tree(Text(title, style="bold"), guide_style="dim")
    stacks = {group.stack: group for group in graph.groups if group.kind is Kind.LAYERS}
    inside = set().union(*(stack.parameters() for stack in stacks.values()))
    for part in ("embedding", *stacks, "head"):
        names = [name for name, where in graph.parts.items() if where == part]
        if names:
            weight, stack = f"{graph.size_of(part).whole:,} parameters", stacks.get(part)
            branch = root.add(entry(part, f"{weight}, {len(stack)} units in {stack.name}" if stack else weight))
            if stack:
                add_layers(branch, stack, graph, every)
            add_parameters(branch, [name for name in names if name not in inside], tied(graph))
    add_streams(root, "", graph)
    return root


def entry(name: str, about: str, quiet: bool = False) -> Text:
    """The label of a branch."""
    return Text.assemble((name, "" if quiet else "cyan"), f": {about}", style="dim" if quiet else "")


def add_layers(branch: Tree, stack: PruningGroup, graph: "DependencyGraph", every: bool) -> None:
    """The layers of a stack by their original numbers, with the place where they stand now."""
    size = graph.size
    alike: dict[tuple[int | None, int, Contents], list[int]] = defaultdict(list)
    for position, number in enumerate(stack.ids):
        key = (
            number if every else None,
            parameters_lost(stack, position, size),
            contents(stack, position, graph, size),
        )
        alike[key].append(position)
    for (_, weight, below), positions in alike.items():
        numbers = spans([stack.ids[position] for position in positions])
        noun, each = ("layer", "") if len(positions) == 1 else ("layers", " each")
        at = f"{stack.path}.{spans(positions)}, {weight:,} parameters{each}"
        layer = branch.add(entry(f"{noun} {numbers}", at))
        for name, about, lines in below:
            add_leaves(layer.add(entry(name, about)), lines)


def contents(stack: PruningGroup, position: int, graph: "DependencyGraph", size: "Size") -> Contents:
    """The groups of one layer with their parameters, named from the layer on, then the parameters in none of them."""
    number, prefix = stack.ids[position], f"{stack.path}.{position}."
    own = [group for group in graph.groups if group.stack == stack.stack and group.layer == number]
    taken = set().union(*(group.parameters() for group in own))
    rest = ", ".join(name.removeprefix(prefix) for name in stack.covers[position] if name not in taken)
    groups = (
        (
            group.name.removeprefix(f"{stack.stack}.{number}."),
            units(group, size),
            tuple(leaves(group.slices, lambda names: listed(name.removeprefix(prefix) for name in names))),
        )
        for group in own
    )
    return (*groups, *([("in no group of the layer", rest, ())] if rest else []))


def add_parameters(branch: Tree, names: Iterable[str], others: dict[str, list[str]]) -> None:
    """Parameters outside the layers, with the other names of tied ones."""
    for name in names:
        aliases = f", also {', '.join(others[name])}" if name in others else ""
        branch.add(Text(name + aliases))


def add_streams(branch: Tree, outer: str, graph: "DependencyGraph") -> None:
    """The groups that belong to no layer and lie within the group `outer`; in layers their modules are counted."""
    for group in graph.groups:
        if group.layer is None and group.kind is not Kind.LAYERS and group.within == outer:
            inner = branch.add(entry(group.name, about_stream(group, graph.size), quiet=not group.prunable))
            for place, slices in by_place(group, graph).items():
                if place:
                    add_leaves(inner.add(Text(place)), leaves(slices, counted))
                else:
                    add_leaves(inner, leaves(slices, ", ".join))
            add_streams(inner, group.name, graph)


def about_stream(group: PruningGroup, size: "Size") -> str:
    """Units, and what there is to know about cutting them."""
    within = f", within {group.within}" if group.within else ""
    lookups = f"; if narrower, gathered at {', '.join(group.lookups)}" if group.lookups else ""
    return units(group, size) + within + lookups


def by_place(group: PruningGroup, graph: "DependencyGraph") -> dict[str, list[Slice]]:
    """A group's slices by the stack of layers they lie in, like ``decoder.block.0-11``; under ``""`` those outside."""
    paths = [f"{stack.path}." for stack in graph.groups if stack.kind is Kind.LAYERS]
    found = {"": [piece for piece in group.slices if not piece.parameter.startswith(tuple(paths))]}
    for path in paths:
        inside = [piece for piece in group.slices if piece.parameter.startswith(path)]
        numbers = {int(piece.parameter.removeprefix(path).split(".")[0]) for piece in inside}
        found |= {path + spans(sorted(numbers)): inside} if inside else {}
    return found


def units(group: PruningGroup, size: "Size") -> str:
    """``12 units of 196,608 parameters``."""
    noun = "unit" if len(group) == 1 else "units"
    about = f"{len(group):,} {noun} of {unit_of(group, size)} parameters" if len(group) else "nothing is left"
    return about if group.prunable else f"{about}, left whole"


def leaves(slices: Iterable[Slice], named: Callable[[list[str]], str]) -> Iterator[str]:
    """``64 rows of ...`` and ``64 columns of ...``: what one unit takes, rows first."""
    alike: dict[tuple[int, int], list[str]] = defaultdict(list)
    for piece in slices:
        alike[piece.dim, piece.width].append(piece.parameter)
    for (dim, width), names in sorted(alike.items()):
        noun = ("row", "column")[dim] if dim < 2 else f"dimension-{dim} slice"
        yield f"{width:,} {noun}{'' if width == 1 else 's'} of {named(names)}"


def listed(names: Iterable[str]) -> str:
    """``layer.0.SelfAttention: k.weight, q.weight``: names behind the module that they share."""
    owners: dict[str, list[str]] = defaultdict(list)
    for name in names:
        parts = name.split(".")
        owners[".".join(parts[:-2])].append(".".join(parts[-2:]))
    return "; ".join(f"{owner}: {', '.join(own)}" if owner else ", ".join(own) for owner, own in owners.items())


def counted(names: Iterable[str]) -> str:
    """``each of 24 o, 12 wo``: modules of the same name by their number."""
    modules = dict.fromkeys(name.rpartition(".")[0] for name in names)
    counts = Counter(module.rpartition(".")[2] for module in modules)
    return "each of " + ", ".join(f"{count:,} {name}" for name, count in counts.items())


def add_leaves(branch: Tree, texts: Iterable[str]) -> None:
    """Plain lines below a branch."""
    for text in texts:
        branch.add(Text(text))
