"""Calibration: prices against made-up clocks that are linear in what a model holds."""

import copy
from contextlib import nullcontext

import pytest
import torch

from prunekit import prune
from prunekit.find.graph import discover
from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan
from prunekit.latency import calibration
from prunekit.latency.calibration import calibrate, probe_plans
from prunekit.latency.clocks import Reading
from prunekit.recipe import Workload

WORK = Workload(batch=1, source=5, new_tokens=3)


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

    monkeypatch.setattr(calibration, "section_seconds", timed)
    monkeypatch.setattr(calibration, "clock_for", lambda *_: nullcontext(lambda: Reading(sum(passed))))
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
    kept = {plan.of(words) for plan in probe_plans(every.graph.groups, {last, 0})}
    assert kept == {tuple(range(last + 1)), (*range(15), last)}  # a quarter of sixty, made sixteen
    plan = PruningPlan({"decoder.layers": (1,)})
    small = prune(copy.deepcopy(every.model), plan, every.adapter)
    assert found.seconds(plan)["head"] == pytest.approx(clock(small, None, WORK, 1)["head"], rel=0.02)


def test_less_is_never_slower(every, clock):
    found = calibrate(every.model, every.adapter, every.graph, WORK, repeats=1)
    assert all(price >= 0 for prices in found.prices.values() for price in prices.values())
    totals = [found.total(plan) for plan in probe_plans(every.graph.groups)]
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
