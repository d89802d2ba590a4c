"""Shapes: the least that reaches a speed, by made-up prices; what is said where nothing does; and what is measured."""

import copy

import pytest

from prunekit import PrunekitError, prune
from prunekit.find.plan import PruningPlan
from prunekit.latency.cost_model import CostModel, amounts
from prunekit.latency.shapes import Shapes, grid
from prunekit.latency.speed_target import SLACK, TRIES, search_shape
from prunekit.recipe import Workload


def priced(case, **prices):
    """Shapes of a family's tiny model where units cost what `prices` says."""
    sections = {"encoder": {"": 0.0}, "decoder": {"": 0.0}, "head": {"": 0.0}, "loop": {"": 0.0}}
    for name, price in prices.items():
        stack, _, amount = name.partition("_")
        key = f"{stack}.{amount}" if stack in ("encoder", "decoder") else ("vocabulary" if stack == "head" else "")
        sections[stack][key] = price
    return Shapes(CostModel(Workload(), sections, case.graph.groups, 0.0), case.graph, 1)


def test_a_shape_is_as_large_as_the_cut_model(every):
    shapes = priced(every, decoder_layers=1.0)
    shape = shapes.shape(2, 0.5)
    small = prune(copy.deepcopy(every.model), shape.plan, every.adapter)
    assert shape.parameters == small.num_parameters()
    assert shape.speedup == pytest.approx(len(every.model.get_decoder().state_dict()) and shapes.depths[0] / 2)


def test_layers_go_where_layers_cost(case):
    shapes = priced(case("t5"), decoder_layers=1.0, loop_=1.0)
    depths = shapes.depths
    target = (depths[0] + 1) / 2 - 0.01  # with one layer left
    assert (shapes.least(target).decoder_layers, shapes.least(target).encoder_sparsity) == (1, 0.0)


def test_widths_go_where_the_encoder_costs(case):
    shapes = priced(case("t5"), encoder_ffn=1.0, encoder_heads=1.0, loop_=1e-6)
    found = shapes.least(1.5)
    assert found.decoder_layers == shapes.depths[0]
    assert found.encoder_sparsity > 0


@pytest.mark.parametrize("speedup", [1.1, 1.3, 1.6, 2.0])
def test_one_step_less_would_miss_and_nothing_larger_reaches_it(every, speedup):
    shapes = priced(every, decoder_layers=1.0, encoder_ffn=0.05, encoder_heads=0.2, head_=0.01, loop_=0.3)
    found = shapes.least(speedup)
    assert found.speedup >= speedup
    every_shape = [shape for row in grid(shapes, shapes.depths, shapes.sparsities) for shape in row]
    assert not [shape for shape in every_shape if shape.parameters > found.parameters and shape.speedup >= speedup]
    at = shapes.sparsities.index(found.encoder_sparsity)
    if at:
        assert shapes.shape(found.decoder_layers, shapes.sparsities[at - 1]).speedup < speedup
    if found.decoder_layers < shapes.depths[0]:
        assert shapes.shape(found.decoder_layers + 1, found.encoder_sparsity).speedup < speedup


@pytest.mark.parametrize(
    ("price", "named"), [("head_", "--vocabulary"), ("loop_", "dispatch"), ("encoder_layers", "source")]
)
def test_what_limits_the_speed_is_named(case, price, named):
    shapes = priced(case("t5"), decoder_layers=0.1, **{price: 100.0})
    with pytest.raises(PrunekitError, match=named) as refused:
        shapes.least(9.0)
    assert "1 decoder layer " in str(refused.value)


def test_what_goes_in_any_case_counts(case):
    one = case("t5")
    words = next(g for g in one.graph.groups if g.name == "vocabulary")
    shapes = priced(one, decoder_layers=1.0, head_=1.0)
    fewer = Shapes(shapes.cost, shapes.graph, 1, PruningPlan({words.name: words.ids[:4]}))
    whole = amounts(one.graph.groups, PruningPlan())["vocabulary"]
    layers = shapes.depths[0]
    assert fewer.shape(layers, 0.0).speedup == pytest.approx((layers + whole) / (layers + 4))


MIXED = {"decoder_layers": 1.0, "encoder_ffn": 0.05, "encoder_heads": 0.2, "head_": 0.01, "loop_": 0.3}


class Stopwatch:
    """Measures shapes by other prices than those that foretell, and notes which."""

    def __init__(self, case, **prices):
        self.shapes, self.seen = priced(case, **prices), []

    def __call__(self, shape):
        self.seen.append(shape)
        return self.of(shape)

    def of(self, shape):
        return self.shapes.shape(shape.decoder_layers, shape.encoder_sparsity).speedup


def test_a_cost_model_that_is_right_is_asked_once(every):
    shapes, watch = priced(every, **MIXED), Stopwatch(every, **MIXED)
    found = search_shape(shapes, 1.5, watch)
    assert found == (shapes.least(1.5), pytest.approx(shapes.least(1.5).speedup))
    assert watch.seen == [shapes.least(1.5)]


@pytest.mark.parametrize("real", [{"decoder_layers": 3.0}, {"loop_": 1.0}, {"encoder_heads": 0.6}, {"head_": 0.03}])
@pytest.mark.parametrize("speedup", [1.1, 1.3, 1.6])
def test_what_is_settled_on_is_as_fast_as_asked_by_measurement(every, real, speedup):
    shapes, watch = priced(every, **MIXED), Stopwatch(every, **{**MIXED, **real})
    try:
        shape, measured = search_shape(shapes, speedup, watch)
    except PrunekitError:
        assert watch.of(shapes.fastest()) < (1 - SLACK) * speedup
        return
    assert measured == watch.of(shape) >= (1 - SLACK) * speedup
    assert shape in watch.seen
    assert len(set(watch.seen)) == len(watch.seen) <= TRIES
    larger = [one for one in watch.seen if one.parameters > shape.parameters]
    assert all(watch.of(one) < (1 - SLACK) * speedup for one in larger)


def test_a_speed_that_only_the_cost_model_sees_is_refused_with_what_was_measured(case):
    one = case("t5")
    shapes, watch = priced(one, decoder_layers=1.0, loop_=0.1), Stopwatch(one, decoder_layers=1.0, loop_=4.0)
    assert shapes.depths[0] == 4  # so one layer brings (4 + 4) / (1 + 4)
    with pytest.raises(PrunekitError, match=r"2 times the speed is out of reach on this workload: 1\.6 is the most"):
        search_shape(shapes, 2.0, watch)
    assert watch.seen[-1].decoder_layers == 1


def test_widths_that_may_not_go_stay(every):
    shapes, watch = priced(every, **MIXED), Stopwatch(every, **MIXED)
    shape, _ = search_shape(shapes, 1.2, watch, [0.0])
    assert shape.encoder_sparsity == 0
