"""The map of kept units against the graph and the cut model."""

import pytest

from prunekit import PruningPlan, discover, prune
from prunekit.find.groups import Kind, PruningGroup, Slice
from prunekit.report.kept_units import KeptSection, stretches
from prunekit_adapters.t5 import T5


@pytest.fixture
def graph(t5):
    return discover(T5(), t5.config, t5)


def test_every_layer_of_the_dense_model_has_its_row(graph):
    plan = PruningPlan({"decoder.layers": (0, 2), "decoder.2.cross.heads": (1,), "encoder.0.self.heads": ()})
    kept = KeptSection.of(graph.groups, plan)
    assert kept.heads["encoder.self"].kept == [[0, 0]]
    assert kept.heads["decoder.self"].kept == [[1, 1], None, [1, 1]]
    assert kept.heads["decoder.cross"].kept == [[1, 1], None, [0, 1]]
    assert kept.heads["decoder.cross"].layers == [0, 1, 2]
    assert kept.ffn["decoder"].units == [24, 24, 24]


def test_as_many_stay_as_the_cut_model_has(t5, graph):
    plan = PruningPlan({"decoder.layers": (1,), "encoder.0.ffn": tuple(range(5)), "decoder.1.self.heads": (0,)})
    kept = KeptSection.of(graph.groups, plan)
    small = prune(t5, plan, T5())
    assert kept.ffn["encoder"].total_kept == small.encoder.block[0].layer[-1].DenseReluDense.wo.in_features == 5
    assert kept.heads["decoder.self"].total_kept * 8 == small.decoder.block[0].layer[0].SelfAttention.o.in_features
    assert kept.ffn["decoder"].total_kept == small.decoder.block[0].layer[-1].DenseReluDense.wo.in_features == 24


def test_many_channels_are_counted_in_stretches():
    group = PruningGroup("encoder.0.ffn", Kind.FFN, "encoder", tuple(range(96)), (Slice("w", 0),), layer=0)
    place = KeptSection.of([group], PruningPlan({group.name: tuple(range(1, 96))})).ffn["encoder"]
    assert place.kept[0][:4] == [1, 1, 2, 1]
    assert len(place.kept[0]) == 64
    assert place.total_kept == 95


def test_stretches_hold_every_unit_once():
    for units in (1, 4, 64, 65, 96, 128, 3072):
        whole = stretches(units, range(units))
        assert sum(whole) == units
        assert max(whole) - min(whole) <= 1
