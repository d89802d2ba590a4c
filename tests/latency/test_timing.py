"""Latency: models interleaved, their figures, and what is refused or warned of."""

import copy
import logging
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from prunekit.errors import PrunekitError
from prunekit.latency import breakdown, interleave, timing
from prunekit.latency.breakdown import BREAKDOWN_RUNS
from prunekit.latency.clocks import Reading
from prunekit.latency.timing import Speed, compare_latency, speedups
from prunekit.recipe import Workload

WORK = Workload(batch=2, source=5, new_tokens=4)


class Clock:
    """Time that passes only when told to: CPU seconds, and twice as many wall seconds."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return Reading(self.now)

    def perf_counter(self):
        return 2 * self.now + 100

    def costs(self, module, seconds: float, method: str = "forward"):
        """Let every call of `module` take so long."""
        real = getattr(module, method)

        def slow(*args, **kwargs):
            self.now += seconds
            return real(*args, **kwargs)

        setattr(module, method, slow)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(interleave, "time", clock)
    monkeypatch.setattr(timing, "clock_for", lambda *_: nullcontext(clock))
    return clock


@pytest.fixture
def calls(monkeypatch, clock):
    """Replaces `generate`: notes who is called, and takes 6, 7, 8, ... seconds for dense and 2 for pruned."""
    calls = []

    def fake(model, inputs, work):
        calls.append(
            SimpleNamespace(model=model, ids=inputs["input_ids"], threads=torch.get_num_threads(), mode=model.training)
        )
        clock.now += 2 if model.name_or_path == "pruned" else 5 + sum(call.model is model for call in calls)
        return torch.zeros(work.batch, 1 + work.new_tokens)

    for module in (timing, breakdown):
        monkeypatch.setattr(module, "generate_fixed", fake)
    return calls


@pytest.fixture
def pair(t5, bart):
    t5.name_or_path, bart.name_or_path = "dense", "pruned"
    return t5.train(), bart.train()


def test_models_take_turns_after_a_warm_up(calls, pair):
    compare_latency(*pair, [WORK], repeats=3, threads=1)
    order = ["dense" if call.model is pair[0] else "pruned" for call in calls[:8]]
    assert order == ["dense", "pruned", *["dense", "pruned"], *["pruned", "dense"], *["dense", "pruned"]]
    assert len(calls) == 8 + 2 * BREAKDOWN_RUNS
    assert all(torch.equal(call.ids, calls[0].ids) for call in calls)


def test_figures_are_those_of_the_turns(calls, pair):
    (timing,) = compare_latency(*pair, [WORK], repeats=3, threads=1)
    assert (timing.dense_s, timing.pruned_s, timing.speedup) == (8, 2, 4)  # the turns took 7, 8 and 9; warm-up 6
    assert (timing.dense_wall_s, timing.pruned_wall_s, timing.wall_speedup) == (16, 4, 4)
    assert timing.speedup_error == pytest.approx(0.5 / 3**0.5)  # of a mean of 7, 8 and 9, halved
    assert (timing.workload, timing.device, timing.threads) == (WORK, "cpu", 1)


def test_several_models_take_turns_with_the_dense_one(calls, pair):
    dense, pruned = pair
    other = copy.deepcopy(pruned)
    told = []
    found = speedups(
        dense, {"a": pruned, "b": other}, WORK, 3, 1, progress=lambda done, total: told.append((done, total))
    )
    expected = Speed(workload=WORK, speedup=4, wall_speedup=4, error=found["a"].error)  # 8 against 2, as above
    assert found == {"a": expected, "b": expected}
    assert expected.error == pytest.approx(0.5 / 3**0.5)
    names = {id(dense): "dense", id(pruned): "a", id(other): "b"}
    order = [names[id(call.model)] for call in calls]
    turn = ["dense", "a", "b"]
    assert order == [*turn, *turn, *turn[::-1], *turn]
    assert told[-1] == (12, 12)


def test_threads_and_modes_hold_for_the_measurement_only(calls, pair):
    before = torch.get_num_threads()
    compare_latency(*pair, [WORK], repeats=1, threads=before + 1)
    assert {(call.threads, call.mode) for call in calls} == {(before + 1, False)}
    assert torch.get_num_threads() == before
    assert pair[0].training
    assert pair[1].training


def test_progress_reaches_its_total(calls, pair):
    told = []
    compare_latency(*pair, [WORK, WORK], 2, 1, progress=lambda done, total: told.append((done, total)))
    total = 2 * 2 * (1 + 2 + BREAKDOWN_RUNS)
    assert told == [(done, total) for done in range(1, total + 1)]


def test_a_model_that_makes_another_number_of_tokens_is_refused(monkeypatch, pair):
    monkeypatch.setattr(timing, "generate_fixed", lambda *_: torch.zeros(2, 1 + 3))
    with pytest.raises(PrunekitError, match="made 3 new tokens where 4 were asked for"):
        compare_latency(*pair, [WORK], 1, 1)


def test_a_workload_that_does_not_fit_is_refused_before_anything_runs(calls, pair):
    with pytest.raises(PrunekitError, match="has 41 tokens"):
        compare_latency(*pair, [WORK, Workload(source=41)], 1, 1)
    assert calls == []


def test_models_on_two_devices_are_refused(t5):
    with pytest.raises(PrunekitError, match="on cpu and meta"):
        compare_latency(t5, SimpleNamespace(device=torch.device("meta")), [WORK], 1, 1)


@pytest.mark.parametrize(("load", "warned"), [(1e6, True), (0.0, False)])
def test_a_busy_machine_is_worth_a_warning(monkeypatch, calls, pair, caplog, load, warned):
    monkeypatch.setattr(timing.os, "getloadavg", lambda: (load, 0.0, 0.0))
    with caplog.at_level(logging.WARNING, "prunekit"):
        compare_latency(*pair, [WORK], 1, 1)
    assert ("The machine is busy" in caplog.text) is warned


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_the_split_says_where_the_time_went(request, clock, family):
    model = request.getfixturevalue(family)
    clock.costs(model.get_encoder(), 5)
    clock.costs(model.get_decoder(), 2)
    clock.costs(model.get_output_embeddings(), 1)
    clock.costs(model, 0.5, "prepare_inputs_for_generation")
    (timing,) = compare_latency(model, model, [WORK], 1, 1)
    part = timing.breakdown["pruned"]
    assert timing.dense_s == 5 + 4 * (2 + 1 + 0.5) == 19
    parts = [part.encoder, part.decoder, part.head, part.loop]
    assert parts == pytest.approx([5 / 19, 8 / 19, 4 / 19, 2 / 19])
    assert not model.get_encoder()._forward_hooks
    assert not model.get_encoder()._forward_pre_hooks


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_real_models_are_timed_end_to_end(request, family):
    model = request.getfixturevalue(family)
    timings = compare_latency(model, model, [WORK, Workload(source=5, new_tokens=3, beams=2)], 1, 1)
    for found in timings:
        for part in found.breakdown.values():
            shares = [part.encoder, part.decoder, part.head, part.loop]
            assert sum(shares) == pytest.approx(1)
            assert all(0 < share < 1 for share in shares)
