"""``prunekit inspect``: which units of a model can be pruned, and which parameters each one removes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from prunekit.commands import options
from prunekit.commands.console import ERR, OUT
from prunekit.commands.groups import groups_table, tied_names
from prunekit.commands.tree import model_tree

if TYPE_CHECKING:
    from prunekit.find.graph import DependencyGraph
    from prunekit.loading.structure import ModelStructure


def inspect(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A directory with a config.json, or a hub id.")],
    adapter: options.Adapter = None,
    every: Annotated[
        bool, typer.Option("--all", help="Show every group; by default equal layers share a row.")
    ] = False,
    tree: Annotated[
        bool, typer.Option("--tree", help="Show a tree down to the parameters instead of a table.")
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the dependency graph, to FILE.graphml or FILE.json."),
    ] = None,
    debug: options.Debug = False,
) -> None:
    """Show a model's pruning groups: their units, their sizes, and the parameters that are cut together.

    Only the config is read; no weights are loaded.
    """
    from prunekit.find.graph_export import check_format
    from prunekit.loading.structure import open_structure

    if export is not None:
        check_format(export)
    structure = open_structure(model, adapter)
    if tree:
        OUT.print(model_tree(title(structure), structure.graph, every))
    else:
        print_table(structure, every)
    if export is not None:
        write_graph(structure.graph, export)


def print_table(structure: "ModelStructure", every: bool) -> None:
    """Print the sizes of the model's parts, one row per group, and the tied parameters."""
    OUT.print(heading(structure), soft_wrap=True)
    OUT.print(groups_table(structure.graph, every))
    OUT.print()
    for first, others in tied_names(structure.graph).items():
        OUT.print(Text(f"tied to {first}: {', '.join(others)}", style="dim"), soft_wrap=True)


def write_graph(graph: "DependencyGraph", file: Path) -> None:
    """Write the dependency graph to a file, and print its size."""
    from prunekit.find.graph_export import export_graph

    exported = export_graph(graph, file)
    counts = f"{exported.number_of_nodes():,} parameter dimensions, {exported.number_of_edges():,} couplings"
    ERR.print(Text(f"Written to {file}: {counts}."), soft_wrap=True)


def title(structure: "ModelStructure") -> str:
    """``t5 (T5, adapter t5): 60,506,624 parameters``."""
    name = f"{structure.model_type} ({type(structure.adapter).__name__}, adapter {structure.name})"
    return f"{name}: {structure.graph.size.whole:,} parameters"


def heading(structure: "ModelStructure") -> Text:
    """The title, then the parameters of each part."""
    sizes = {part: structure.graph.size_of(part).whole for part in ("embedding", "encoder", "decoder", "head")}
    parts = ", ".join(f"{part} {size:,}" for part, size in sizes.items() if size)
    return Text(f"{title(structure)}: {parts}\n")
