"""``prunekit inspect``: what of a model can be pruned, and what must go together."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from prunekit.commands import options
from prunekit.commands.console import ERR, OUT
from prunekit.commands.groups import groups_table, tied
from prunekit.commands.tree import model_tree

if TYPE_CHECKING:
    from prunekit.find.graph import DependencyGraph
    from prunekit.loading.structure import ModelStructure


def inspect(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A directory with a config.json, or a hub id.")],
    adapter: options.Adapter = None,
    every: Annotated[bool, typer.Option("--all", help="Every group for itself, equal layers included.")] = False,
    tree: Annotated[bool, typer.Option("--tree", help="A tree down to the parameters, instead of the table.")] = False,
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the graph of couplings to FILE.graphml or FILE.json, too."),
    ] = None,
    debug: options.Debug = False,
) -> None:
    """Show a model's pruning groups: their units, what they weigh, what is cut together.

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
        show_table(structure, every)
    if export is not None:
        write(structure.graph, export)


def show_table(structure: "ModelStructure", every: bool) -> None:
    """One row per group, between the model's parts and its ties."""
    OUT.print(heading(structure), soft_wrap=True)
    OUT.print(groups_table(structure.graph, every))
    OUT.print()
    for first, others in tied(structure.graph).items():
        OUT.print(Text(f"tied to {first}: {', '.join(others)}", style="dim"), soft_wrap=True)


def write(graph: "DependencyGraph", file: Path) -> None:
    """Export the graph and say so."""
    from prunekit.find.graph_export import export_graph

    drawn = export_graph(graph, file)
    counts = f"{drawn.number_of_nodes():,} dimensions of parameters, {drawn.number_of_edges():,} couplings"
    ERR.print(Text(f"Written to {file}: {counts}."), soft_wrap=True)


def title(structure: "ModelStructure") -> str:
    """Type, adapter and parameters."""
    name = f"{structure.model_type} ({type(structure.adapter).__name__}, adapter {structure.name})"
    return f"{name}: {structure.graph.size.whole:,} parameters"


def heading(structure: "ModelStructure") -> Text:
    """The title, with the parameters by part."""
    graph = structure.graph
    parts = ", ".join(
        f"{part} {size:,}"
        for part in ("embedding", "encoder", "decoder", "head")
        if (size := graph.size_of(part).whole)
    )
    return Text(f"{title(structure)}: {parts}\n")
