"""Sections of a report: parameters, sparsity, layers, widths and latency against the model."""

import networkx as nx
import pytest

from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import Kind, PruningGroup, Slice
from prunekit.find.plan import PruningPlan
from prunekit.latency.breakdown import Breakdown
from prunekit.latency.timing import Timing
from prunekit.recipe import Workload
from prunekit.report.sections import (
    LatencySection,
    LayersSection,
    ParametersSection,
    SparsitySection,
    SpentSection,
    WidthsSection,
)

SHAPES = {
    "table": (10, 4),
    "e.0.q": (4, 4),
    "e.0.in": (6, 4),
    "d.0.q": (4, 4),
    "d.1.q": (4, 4),
    "e.norm": (4,),
    "out": (10, 4),
}
PART = {"table": "embedding", "out": "head"}


def group(stack: str, layer: int, label: str, kind: Kind, units: int, span: int) -> PruningGroup:
    parameter = f"{stack[0]}.{layer}.{'in' if kind is Kind.FFN else 'q'}"
    slices = (Slice(parameter, 0, span),)
    return PruningGroup(f"{stack}.{layer}.{label}", kind, stack, tuple(range(units)), slices, layer=layer)


GROUPS = (
    group("encoder", 0, "self.heads", Kind.HEADS, 2, 2),
    group("encoder", 0, "ffn", Kind.FFN, 6, 1),
    group("decoder", 0, "cross.heads", Kind.HEADS, 2, 2),
    group("decoder", 1, "cross.heads", Kind.HEADS, 2, 2),
    PruningGroup("encoder.layers", Kind.LAYERS, "encoder", (0,), covers=(("e.0.q", "e.0.in"),), path="e"),
    PruningGroup("decoder.layers", Kind.LAYERS, "decoder", (0, 1), covers=(("d.0.q",), ("d.1.q",)), path="d"),
)
PLAN = PruningPlan(
    {"encoder.0.self.heads": (1,), "encoder.0.ffn": (0, 5), "decoder.1.cross.heads": (), "decoder.layers": (1,)}
)


@pytest.fixture
def graph():
    parts = {name: PART.get(name, "encoder" if name[0] == "e" else "decoder") for name in SHAPES}
    return DependencyGraph(nx.Graph(), GROUPS, SHAPES, parts, {})


def test_parameters_are_counted_by_part(graph):
    counted = ParametersSection.of(graph, PLAN)
    assert counted.dense_by_part == {"encoder": 16 + 24 + 4, "decoder": 32, "embedding": 40, "head": 40}
    assert counted.by_part == {"encoder": 8 + 8 + 4, "decoder": 0, "embedding": 40, "head": 40}
    assert (counted.dense, counted.pruned) == (156, 100)


def test_sparsity_names_its_denominators(graph):
    shares = SparsitySection.of(graph, PLAN)
    assert shares.encoder == pytest.approx(1 - 16 / 40)  # heads and channels only, not the norm
    assert shares.non_embedding == pytest.approx(1 - 20 / 76)
    assert shares.total == pytest.approx(1 - 100 / 156)


def test_layers_go_by_their_old_numbers():
    layers = LayersSection.of(GROUPS, PLAN)
    assert (layers.encoder_kept, layers.encoder_dense) == ([0], 1)
    assert (layers.decoder_kept, layers.decoder_dense) == ([1], 2)


def test_widths_are_those_of_the_layers_that_are_left():
    widths = WidthsSection.of(GROUPS, PLAN)
    assert widths.heads == {"encoder.self": [1], "decoder.cross": [0]}
    assert widths.dense_heads == {"encoder.self": [2], "decoder.cross": [2]}
    assert (widths.ffn, widths.dense_ffn) == ({"encoder": [2]}, {"encoder": [6]})


def timing(batch):
    times = {
        "dense_s": 3.0,
        "pruned_s": 1.5,
        "dense_wall_s": 8.0,
        "pruned_wall_s": 2.0,
        "speedup": 2,
        "wall_speedup": 4,
    }
    parts = {name: Breakdown(encoder=0.1, decoder=0.6, head=0.1, loop=0.2) for name in ("dense", "pruned")}
    return Timing(workload=Workload(batch=batch, source=50), device="cpu", threads=1, breakdown=parts, **times)


def test_the_first_workload_is_the_headline():
    latency = LatencySection.of([timing(1), timing(32)])
    assert [one.workload.batch for one in (latency, *latency.workloads)] == [1, 1, 32]
    assert (latency.speedup, latency.wall_speedup, latency.predicted_speedup) == (2, 4, None)
    assert latency.breakdown["pruned"].decoder == 0.6
    assert latency.real_time is None


def test_audio_has_real_time_factors():
    latency = LatencySection.of([timing(1), timing(32)], audio=True)
    assert latency.real_time.pruned == pytest.approx(1.5 / 0.5)  # a source of 50 lasts half a second
    assert latency.workloads[1].real_time.dense == pytest.approx(3.0 / 16)


def test_hidden_dimensions_of_a_narrower_encoder_are_those_that_the_model_has_too():
    whole = PruningGroup("hidden", Kind.HIDDEN, "", (0, 1, 2, 3), (Slice("table", 1),))
    inner = PruningGroup("encoder.hidden", Kind.HIDDEN, "encoder", (0, 1, 2, 3), (Slice("norm", 0),), within="hidden")
    plan = PruningPlan({"hidden": (0, 1, 2), "encoder.hidden": (1, 3)})
    widths = WidthsSection.of((*GROUPS, whole, inner), plan)
    assert widths.hidden == {"hidden": 3, "encoder.hidden": 1}
    assert widths.dense_hidden == {"hidden": 4, "encoder.hidden": 4}


def test_what_a_model_cost_is_everything_up_to_it():
    dense = SpentSection(examples=100, cpu_seconds=2.0)
    second = SpentSection(examples=30, cpu_seconds=1.5, before=dense)
    third = SpentSection(examples=7, cpu_seconds=0.25, before=second)
    assert third.in_all == SpentSection(examples=137, cpu_seconds=3.75)
    assert SpentSection.model_validate_json(third.model_dump_json()) == third
    assert dense.model_dump().keys() == {"examples", "cpu_seconds", "device"}
