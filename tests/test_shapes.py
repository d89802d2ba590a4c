"""Shapes: the least that reaches a speed, by made-up prices; and what is said where nothing does."""

import copy

import pytest

from prunekit import PrunekitError, prune
from prunekit.find.units import PruningPlan
from prunekit.measure.cost_model import CostModel, amounts
from prunekit.recipe import Workload
from prunekit.shapes import Shapes, grid


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
