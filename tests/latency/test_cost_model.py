"""The cost model: amounts against what a cut model holds, prices against the least squares they are fitted by."""

import copy

import pytest

from prunekit import prune
from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan
from prunekit.latency.cost_model import CostModel, amounts, fit_costs
from prunekit.recipe import Workload


def heads(model, config):
    """Heads that a T5 has left, told from its weights alone."""
    found = {"encoder.heads": 0, "decoder.heads": 0, "encoder.ffn": 0, "decoder.ffn": 0}
    for name, parameter in model.named_parameters():
        stack = name.partition(".")[0]
        if name.endswith((".q.weight",)):
            found[f"{stack}.heads"] += len(parameter) // config.d_kv
        if name.endswith((".wi.weight", ".wi_0.weight")):
            found[f"{stack}.ffn"] += len(parameter)
    return found


@pytest.mark.parametrize("family", ["t5", "t5-gated"])
def test_amounts_are_those_of_the_cut_model(case, family):
    one = case(family)
    widths = [g for g in one.graph.groups if g.kind in (Kind.HEADS, Kind.FFN) and g.prunable]
    plan = PruningPlan({"decoder.layers": (1,)}).then(PruningPlan({g.name: g.ids[:2] for g in widths[::2]}))
    small = prune(copy.deepcopy(one.model), plan, one.adapter)
    found = amounts(one.graph.groups, plan)
    assert {name: found[name] for name in heads(small, one.config)} == heads(small, one.config)
    assert (found["decoder.layers"], found["encoder.layers"]) == (1, one.config.num_layers)
    assert found["vocabulary"] == one.config.vocab_size


def test_narrow_streams_make_what_reads_them_cheaper(case):
    one = case("t5")
    hidden = next(g for g in one.graph.groups if g.kind is Kind.HIDDEN and not g.stack)
    plan = PruningPlan({hidden.name: hidden.ids[: len(hidden) // 2]})
    whole, half = amounts(one.graph.groups, PruningPlan()), amounts(one.graph.groups, plan)
    for name in ("decoder.ffn", "encoder.heads", "vocabulary"):
        assert half[name] == whole[name] / 2
    assert half["decoder.layers"] == whole["decoder.layers"]


def test_prices_are_the_least_squares_that_are_not_negative():
    left = [{"a": 1.0, "b": 4.0}, {"a": 2.0, "b": 2.0}, {"a": 3.0, "b": 1.0}, {"a": 5.0, "b": 7.0}]
    seconds = [1 + 2 * each["a"] + 3 * each["b"] for each in left]
    assert fit_costs(seconds, left, ["a", "b"]) == pytest.approx({"": 1, "a": 2, "b": 3})
    falling = [10 - each["a"] for each in left]
    assert fit_costs(falling, left, ["a"]).keys() == {""}
    assert fit_costs([2.0] * 4, left, ["missing"]) == pytest.approx({"": 2})


def test_a_prediction_is_the_fixed_cost_and_the_cost_of_what_is_kept(case):
    groups = tuple(case("t5").graph.groups)
    prices = {"encoder": {"": 1.0}, "decoder": {"": 2.0, "decoder.layers": 3.0}, "head": {"": 0.0}, "loop": {"": 0.5}}
    cost = CostModel(Workload(), prices, groups, 0.0)
    plan = PruningPlan({"decoder.layers": (0,)})
    assert cost.seconds(plan) == {"encoder": 1.0, "decoder": 5.0, "head": 0.0, "loop": 0.5}
    layers = len(next(group for group in groups if group.name == "decoder.layers"))
    assert cost.speedup(plan) == (3.5 + 3.0 * layers) / 6.5
