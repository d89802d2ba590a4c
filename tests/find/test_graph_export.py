"""The exported graph, read back with networkx, against the model's own parameters."""

import json
import re

import networkx as nx
import pytest

from prunekit import PrunekitError, PruningPlan
from prunekit.find.graph_export import export_graph


def read(file):
    if file.suffix == ".graphml":
        return nx.read_graphml(file)
    return nx.node_link_graph(json.loads(file.read_text()), edges="edges")


@pytest.fixture(params=["graphml", "json"])
def written(request, tmp_path):
    """Exports a dependency graph in either format and gives what networkx reads from the file."""

    def write_and_read(graph):
        file = tmp_path / f"graph.{request.param}"
        export_graph(graph, file)
        return read(file)

    return write_and_read


def dimensions(model):
    """``{"shared.weight[0]": 60, ...}`` for every name of every parameter."""
    named = model.named_parameters(remove_duplicate=False)
    return {f"{name}[{dim}]": size for name, parameter in named for dim, size in enumerate(parameter.shape)}


def slices(graph, name):
    return {node for node, group in graph.nodes(data="group") if group == name}


def without_aliases(graph, case):
    return {node for node in graph if node.rpartition("[")[0] not in case.graph.ties}


def test_every_dimension_of_every_parameter_is_a_node(every, written):
    graph = written(every.graph)
    assert dict(graph.nodes(data="size")) == dimensions(every.model)
    assert not graph.is_directed()


def test_parts_are_told(case, written):
    part = written(case("bart").graph).nodes(data="part")
    assert part["model.shared.weight[1]"] == part["lm_head.weight[1]"] == "embedding"
    assert part["model.encoder.layers.2.fc1.bias[0]"] == part["model.encoder.layernorm_embedding.bias[0]"] == "encoder"
    assert part["model.decoder.layers.3.fc1.bias[0]"] == "decoder"
    assert written(case("t5-gated-untied").graph).nodes["lm_head.weight[0]"]["part"] == "head"


def test_tie_edges_join_the_names_of_one_tensor(every, written):
    named = dict(every.model.named_parameters(remove_duplicate=False))
    ties = [(a, b) for a, b, kind in written(every.graph).edges(data="kind") if kind == "tie"]
    for a, b in ties:
        (one, dim), (other, same) = a.split("["), b.split("[")
        assert (named[one] is named[other], dim) == (True, same)
    aliases = len(named) - len({id(parameter) for parameter in named.values()})
    assert len(ties) == 2 * aliases  # every tied tensor here is a table


def test_what_is_connected_is_what_a_group_slices(every, written):
    graph = written(every.graph)
    own = without_aliases(graph, every)
    found = []
    for component in nx.connected_components(graph):
        groups = {graph.nodes[node]["group"] for node in component}
        if groups != {""}:
            assert component & own == set().union(*(slices(graph, name) for name in groups)) & own
            found += sorted(groups)
    sliced = [group.name for group in every.graph.groups if group.slices]
    assert sorted(found) == sorted(sliced)  # no group in two components
    assert {g for g in found if g.endswith("hidden")} == {"hidden", "encoder.hidden"}


@pytest.mark.parametrize("family", ["t5", "t5-gated", "mt5"])
def test_the_hidden_dimensions_are_those_of_their_size(case, written, family):
    graph = written(case(family).graph)
    wide = {node for node, size in graph.nodes(data="size") if size == case(family).config.d_model}
    assert wide == slices(graph, "hidden") | slices(graph, "encoder.hidden")


def test_one_attention_by_hand(case, written):
    graph = written(case("t5").graph)
    attention = "decoder.block.3.layer.1.EncDecAttention"
    expected = {f"{attention}.{end}" for end in ("q.weight[0]", "k.weight[0]", "v.weight[0]", "o.weight[1]")}
    assert slices(graph, "decoder.3.cross.heads") == expected
    assert nx.node_connected_component(graph, f"{attention}.q.weight[0]") == expected
    assert {kind for *_, kind in graph.subgraph(expected).edges(data="kind")} == {"traced"}


@pytest.mark.parametrize("family", ["t5-gated", "bart"])
def test_a_pruned_model_as_it_is_now(case, written, family):
    subject = case(family)
    kept = {"decoder.layers": (1, 3), "encoder.1.self.heads": (2,), "decoder.3.cross.heads": (), "hidden": range(30)}
    plan = PruningPlan({**kept, "encoder.hidden": range(20)})
    graph = written(subject.graph.after(plan))
    assert dict(graph.nodes(data="size")) == dimensions(subject.cut(plan))
    joined = [c for c in nx.connected_components(graph) if {graph.nodes[n]["group"] for n in c} & {"hidden"}]
    assert [c >= slices(graph, "hidden") | slices(graph, "encoder.hidden") for c in joined] == [True]
    moved = slices(graph, "decoder.3.ffn")
    assert moved
    assert {re.search(r"decoder\.(?:block|layers)\.(\d)\.", node)[1] for node in moved} == {"1"}


def test_an_export_is_replaced_by_the_next(case, tmp_path):
    file = tmp_path / "new" / "graph.JSON"
    export_graph(case("bart").graph, file)
    drawn = export_graph(case("t5").graph, file)
    assert nx.utils.graphs_equal(nx.node_link_graph(json.loads(file.read_text()), edges="edges"), drawn)
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("name", ["graph.svg", "graph", ".json"])
def test_other_formats_are_refused(case, tmp_path, name):
    with pytest.raises(PrunekitError, match=re.escape(repr(name)) + r".*\.graphml .*\.json "):
        export_graph(case("t5").graph, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_directory_is_not_overwritten(case, tmp_path):
    inside = tmp_path / "graph.json" / "precious.txt"
    inside.parent.mkdir()
    inside.write_text("mine")
    with pytest.raises(PrunekitError, match="is a directory; name a file"):
        export_graph(case("t5").graph, inside.parent)
    assert inside.read_text() == "mine"
