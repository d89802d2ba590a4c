"""The couplings of a model as a file that other programs draw: GraphML for Gephi or yEd, JSON for scripts."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import networkx as nx

from prunekit._support.atomic import atomic_write
from prunekit.errors import PrunekitError
from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan, current_name
from prunekit.find.trace import Node


def _json(drawn: "nx.Graph[str]", file: Path) -> None:
    data = nx.node_link_data(drawn, edges="edges")
    file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


FORMATS: Mapping[str, Callable[["nx.Graph[str]", Path], None]] = {".graphml": nx.write_graphml_xml, ".json": _json}
"""How a graph is written, by the end of the file's name; JSON is networkx's node-link data."""


def check_format(file: Path) -> None:
    """Raise `PrunekitError` unless `file` can be written as its name asks; a file that exists is replaced."""
    if file.suffix.lower() not in FORMATS:
        raise PrunekitError(
            f"The graph cannot be exported as {file.name!r}; "
            "name a file that ends in .graphml (Gephi, yEd, Cytoscape) or .json (networkx's node-link data)."
        )
    if file.is_dir():
        raise PrunekitError(f"The export {str(file)!r} is a directory; name a file.")


def export_graph(graph: DependencyGraph, file: Path) -> "nx.Graph[str]":
    """Write `graph` to `file`, whole or not at all, in the format that the file's name asks for; returns what it wrote.

    Raises `PrunekitError` where the name asks for another format.
    """
    check_format(file)
    drawn = graph_drawing(graph)
    with atomic_write(file) as draft:
        FORMATS[file.suffix.lower()](drawn, draft)
    return drawn


def graph_drawing(graph: DependencyGraph) -> "nx.Graph[str]":
    """The couplings of the model as it is, with readable names: one node per dimension of a parameter.

    Example: ``encoder.block.0.layer.0.SelfAttention.q.weight[0]`` has the `size` 768, the `group`
    ``encoder.0.self.heads`` that slices it (empty where none does) and the `part` ``encoder`` where it counts. Edges
    have the `kind` ``traced`` or ``tie``; connected nodes are cut together. The other names of a tied parameter are
    nodes too, with the group of the first.
    """
    names = _current_names(graph)
    ties = {names[alias]: names[first] for alias, first in graph.ties.items()}
    owner = {(piece.parameter, piece.dim): group.name for group in graph.groups for piece in group.slices}
    couplings = _renamed_couplings(graph.graph, names)
    drawn: nx.Graph[str] = nx.Graph()
    for name, dim in couplings:
        first = ties.get(name, name)
        facts = {"size": graph.shapes[first][dim], "group": owner.get((first, dim), ""), "part": graph.parts[first]}
        drawn.add_node(node_text((name, dim)), **facts)
    for one, other, kind in couplings.edges(data="kind"):
        drawn.add_edge(node_text(one), node_text(other), kind=kind)
    return drawn


def node_text(node: Node) -> str:
    """``shared.weight[0]`` for dimension 0 of ``shared.weight``."""
    name, dim = node
    return f"{name}[{dim}]"


def _current_names(graph: DependencyGraph) -> dict[str, str | None]:
    """The name of each traced parameter in the model as it is; None where its layer was dropped."""
    layers = [group for group in graph.groups if group.kind is Kind.LAYERS]
    owned = set().union(*(group.parameters() for group in layers))
    # What only a stack's first layer has moves along under its old name, so it is there and no layer owns it.
    unowned = {name for name in graph.shapes if name not in owned}
    traced = {name for name, _ in graph.graph}
    return {name: name if name in unowned else current_name(name, layers, PruningPlan()) for name in traced}


def _renamed_couplings(couplings: "nx.Graph[Node]", names: Mapping[str, str | None]) -> "nx.Graph[Node]":
    """The couplings under other names. What was coupled through a dropped parameter is still coupled."""
    current = couplings.copy()
    for node in [node for node in current if names[node[0]] is None]:
        near = sorted(current[node])
        current.remove_node(node)
        current.add_edges_from(((near[0], other) for other in near[1:]), kind="traced")
    return nx.relabel_nodes(current, {(name, dim): (names[name], dim) for name, dim in current})
