"""Streams in a graph that is drawn by hand: who runs through which stack, and who may be narrower within another."""

import networkx as nx
import pytest

from prunekit.find.adapter import Stack, heads
from prunekit.find.groups import Kind
from prunekit.find.hidden_groups import crossing_components, hidden_group, slices_of
from prunekit.find.validation import AdapterError

STACKS = (Stack("encoder", "e.layers", heads("q")), Stack("decoder", "d.layers", heads("q"), heads("c")))
SIZES = {
    ("table", 1): 4,
    ("e.layers.0.q.weight", 1): 4,
    ("e.norm", 0): 4,
    ("d.layers.0.q.weight", 1): 6,
    ("d.norm", 0): 6,
    ("between.weight", 1): 4,
    ("between.weight", 0): 6,
    ("d.layers.0.c_k.weight", 1): 6,
    ("e.layers.0.inner", 0): 3,
    ("e.layers.0.inner2", 1): 3,
}
COMPONENTS = [
    [("table", 1), ("e.layers.0.q.weight", 1), ("e.norm", 0), ("between.weight", 1)],
    [("between.weight", 0), ("d.layers.0.c_k.weight", 1)],
    [("d.layers.0.q.weight", 1), ("d.norm", 0)],
    [("e.layers.0.inner", 0), ("e.layers.0.inner2", 1)],
]


@pytest.fixture
def graph():
    """An encoder of width 4 and a decoder of width 6, with a projection between the two."""
    drawn = nx.Graph()
    drawn.add_nodes_from((node, {"size": size}) for node, size in SIZES.items())
    for hub, *others in COMPONENTS:
        drawn.add_edges_from((hub, other) for other in others)
    return drawn


def test_what_lies_in_one_layer_crosses_nothing(graph):
    found = list(crossing_components(graph, STACKS, {}))
    assert sorted(map(sorted, found)) == sorted(map(sorted, COMPONENTS[:3]))


def test_streams_are_named_by_the_stacks_that_they_run_through(graph):
    encoder, bridge, decoder = (hidden_group(each, graph, STACKS, {}) for each in COMPONENTS[:3])
    assert [(g.name, g.stack, len(g), g.prunable) for g in (encoder, bridge, decoder)] == [
        ("encoder.hidden", "encoder", 4, True),
        ("bridge", "", 6, False),
        ("decoder.hidden", "decoder", 6, True),
    ]
    assert {(piece.parameter, piece.dim) for piece in encoder.slices} == set(COMPONENTS[0])


def test_one_stream_of_both_stacks_is_hidden(graph):
    both = [*COMPONENTS[0], *COMPONENTS[2]]
    nx.set_node_attributes(graph, dict.fromkeys(both, 4), "size")
    assert hidden_group(both, graph, STACKS, {}).name == "hidden"
    assert hidden_group(both, graph, STACKS, {}).stack == ""


def test_a_tied_name_has_no_slices_of_its_own(graph):
    group = hidden_group(COMPONENTS[0], graph, STACKS, {"table": "shared"})
    assert ("table", 1) not in {(piece.parameter, piece.dim) for piece in group.slices}


def test_heads_own_rows_in_a_run_and_channels_one_in_each_block():
    sizes = {("q", 0): 24, ("o", 1): 24}
    assert {(s.span, s.blocks) for s in slices_of(sizes, 4, Kind.HEADS)} == {(6, 1)}
    assert [(s.parameter, s.span, s.blocks) for s in slices_of({("wi", 0): 8, ("wo", 1): 4}, 4, Kind.FFN)] == [
        ("wi", 1, 2),
        ("wo", 1, 1),
    ]


def test_sizes_that_units_do_not_divide():
    with pytest.raises(AdapterError, match=r"couples 'q', which has 25 indices, with 4 units; .* `skeleton_sizes`"):
        slices_of({("q", 0): 25}, 4, Kind.HEADS)


def test_constants_are_added_to_the_streams_of_their_width_and_stack(case):
    """Sinusoidal positions stand beside the stream, where no gradient shows them."""
    from transformers import MarianConfig

    from prunekit.find.graph import discover
    from prunekit.testing.models import BART_SIZES

    config = MarianConfig(**BART_SIZES, vocab_size=60, pad_token_id=0, decoder_start_token_id=0)
    groups = {group.name: group for group in discover(case("bart").adapter, config).groups}
    assert groups["hidden"].constants == ("model.decoder.embed_positions",)
    assert groups["encoder.hidden"].constants == ("model.encoder.embed_positions",)
    assert groups["encoder.hidden"].lookups == ("model.encoder.embed_tokens",)
    assert groups["encoder.hidden"].within == "hidden"
