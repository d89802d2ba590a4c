"""The cost model: amounts against what a cut model holds, prices against made-up clocks that are linear in them."""

import copy
from contextlib import nullcontext

import pytest
import torch

from prunekit import prune
from prunekit.find.graph import discover
from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan
from prunekit.latency import cost_model
from prunekit.latency.clocks import Spent
from prunekit.latency.cost_model import amounts, calibrate, probes, solved
from prunekit.recipe import Workload

WORK = Workload(batch=1, source=5, new_tokens=3)


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


@pytest.fixture
def clock(monkeypatch, every):
    """`generate` takes as long as the layers, heads and channels that a model holds say, by section."""
    prices = {"encoder": 0.5, "decoder": 2.0, "head": 1.0, "loop": 0.25}
    passed = [0.0]

    def timed(model, inputs, workload, runs, clock=None):
        whole = model
        stacks = {"encoder": whole.get_encoder(), "decoder": whole.get_decoder()}
        sizes = {
            name: sum(p.numel() for n, p in stack.named_parameters() if "norm" not in n and "embed" not in n)
            for name, stack in stacks.items()
        }
        steps = workload.new_tokens
        names = ("k", "k_proj")
        keys = sum(m.out_features for n, m in stacks["decoder"].named_modules() if n.rpartition(".")[2] in names)
        seconds = {
            "encoder": prices["encoder"] * (100 + sizes["encoder"]),
            "decoder": prices["decoder"] * (100 + sizes["decoder"] * steps),
            "head": prices["head"] * steps * len(whole.get_output_embeddings().weight),
            "loop": prices["loop"] * steps * (100 + keys),
        }
        passed.append(sum(seconds.values()))
        return seconds

    monkeypatch.setattr(cost_model, "model_sections", timed)
    monkeypatch.setattr(cost_model, "clock_for", lambda *_: nullcontext(lambda: Spent(sum(passed))))
    return timed


@pytest.mark.parametrize("new_tokens", [3, 64])
def test_a_clock_that_is_linear_is_foretold(every, clock, new_tokens):
    work = WORK.model_copy(update={"new_tokens": new_tokens})
    found = calibrate(every.model, every.adapter, every.graph, work, repeats=2)
    assert found.noise == 0
    groups = [g for g in every.graph.groups if g.stack == "encoder" and g.kind in (Kind.HEADS, Kind.FFN) and g.prunable]
    plan = PruningPlan({"decoder.layers": (0, 2)}).then(PruningPlan({g.name: g.ids[1:] for g in groups}))
    small = prune(copy.deepcopy(every.model), plan, every.adapter)
    expected = clock(small, None, work, 1)
    foretold = found.seconds(plan)
    assert foretold["decoder"] == pytest.approx(expected["decoder"], rel=0.02)
    assert foretold["encoder"] == pytest.approx(expected["encoder"], rel=0.1)  # biases and norms are no units
    assert foretold["head"] == pytest.approx(expected["head"], rel=0.02)
    assert foretold["loop"] == pytest.approx(expected["loop"])
    dense = sum(clock(every.model, None, work, 1).values())
    assert found.speedup(plan) == pytest.approx(dense / sum(expected.values()), rel=0.05)


def test_tokens_that_a_model_names_are_in_every_probe(every, clock):
    """As in Whisper, Marian and NLLB, whose answers begin with one of the last tokens."""
    model = copy.deepcopy(every.model)
    last = every.config.vocab_size - 1
    model.config.decoder_start_token_id = model.generation_config.decoder_start_token_id = last
    found = calibrate(model, every.adapter, every.graph, WORK, repeats=1)
    words = next(g for g in every.graph.groups if g.kind is Kind.VOCABULARY)
    kept = {plan.of(words) for plan in probes(every.graph.groups, {last, 0})}
    assert kept == {tuple(range(last + 1)), (*range(15), last)}  # a quarter of sixty, made sixteen
    plan = PruningPlan({"decoder.layers": (1,)})
    small = prune(copy.deepcopy(every.model), plan, every.adapter)
    assert found.seconds(plan)["head"] == pytest.approx(clock(small, None, WORK, 1)["head"], rel=0.02)


def test_less_is_never_slower(every, clock):
    found = calibrate(every.model, every.adapter, every.graph, WORK, repeats=1)
    assert all(price >= 0 for prices in found.prices.values() for price in prices.values())
    totals = [found.total(plan) for plan in probes(every.graph.groups)]
    assert totals[0] == max(totals)


def test_the_model_is_left_as_it_is(every):
    before = {name: tensor.clone() for name, tensor in every.model.state_dict().items()}
    calibrate(every.model, every.adapter, every.graph, WORK, repeats=1)
    assert all(torch.equal(tensor, every.model.state_dict()[name]) for name, tensor in before.items())


def test_a_pruned_model_is_priced_as_it_stands(case, clock):
    one = case("t5")
    plan = PruningPlan({"decoder.layers": (0, 2)})
    small = prune(copy.deepcopy(one.model), plan, one.adapter)
    graph = discover(one.adapter, one.config, one.model)
    found = calibrate(small, one.adapter, graph, WORK, repeats=1)
    assert found.total(PruningPlan()) == pytest.approx(sum(clock(small, None, WORK, 1).values()), rel=0.02)
    shorter = prune(copy.deepcopy(one.model), PruningPlan({"decoder.layers": (2,)}), one.adapter)
    expected = sum(clock(shorter, None, WORK, 1).values())
    assert found.total(PruningPlan({"decoder.layers": (2,)})) == pytest.approx(expected, rel=0.02)


def test_prices_are_the_least_squares_that_are_not_negative():
    left = [{"a": 1.0, "b": 4.0}, {"a": 2.0, "b": 2.0}, {"a": 3.0, "b": 1.0}, {"a": 5.0, "b": 7.0}]
    seconds = [1 + 2 * each["a"] + 3 * each["b"] for each in left]
    assert solved(seconds, left, ["a", "b"]) == pytest.approx({"": 1, "a": 2, "b": 3})
    falling = [10 - each["a"] for each in left]
    assert solved(falling, left, ["a"]).keys() == {""}
    assert solved([2.0] * 4, left, ["missing"]) == pytest.approx({"": 2})
