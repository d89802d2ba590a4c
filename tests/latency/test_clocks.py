"""Clocks: what a slow core does to seconds is taken out, in closed form; and nothing outlives the block."""

import gc
import os
import threading

import pytest
import torch

from prunekit.latency import clocks
from prunekit.latency.clocks import DeviceClock, PacedClock, ProcessClock, Reading, clock_for, pace_factors
from prunekit.latency.interleave import InterleavedTimes

CPU = torch.device("cpu")
pinned = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot be kept on a core here")


def calls(seconds, paces):
    return [Reading(each, 4, 4 * pace) for each, pace in zip(seconds, paces, strict=True)]


def test_a_pace_is_the_mean_of_the_beats_meanwhile():
    assert (Reading(7.0, 30, 0.60) - Reading(5.0, 10, 0.20)).pace == pytest.approx(0.02)
    assert (Reading(7.0, 30, 0.60) - Reading(5.0, 30, 0.60)).pace is None


@pytest.mark.parametrize("power", [0.4, 1.0])
def test_calls_that_differ_by_the_pace_alone_become_equal(power):
    """Seconds that are a power of the pace: what is left of their spread is what little is believed beforehand."""
    paces = [1.0, 2.0, 1.5, 3.0, 1.2, 2.6]
    slow, fast = ([base * pace**power for pace in each] for base, each in ((3.0, paces), (1.0, paces[::-1])))
    found = pace_factors({"slow": calls(slow, paces), "fast": calls(fast, paces[::-1])})
    left = [second * factor for second, factor in zip(slow, found["slow"], strict=True)]
    assert max(left) / min(left) < 1.02
    others = [second * factor for second, factor in zip(fast, found["fast"], strict=True)]
    assert sum(left) / sum(others) == pytest.approx(3.0, rel=0.01)


def test_a_name_that_met_a_slower_core_is_not_blamed_for_it():
    """A power of a half, learned within the names, applied between them."""
    slow, fast = [2.0, 3.0, 2.5, 1.6] * 5, [1.0, 1.5, 1.25, 0.8] * 5
    raw = {"a": calls([pace**0.5 for pace in slow], slow), "b": calls([pace**0.5 for pace in fast], fast)}
    found = InterleavedTimes(raw, {})
    assert found.ratio("a", "b") == pytest.approx(1.0, abs=0.03)
    assert sum(call.seconds for call in raw["a"]) / sum(call.seconds for call in raw["b"]) == pytest.approx(2**0.5)


def test_without_beats_seconds_are_what_they_were():
    assert pace_factors({"a": [Reading(1.0), Reading(2.0)], "b": [Reading(0.5)]}) == {"a": [1.0, 1.0], "b": [1.0]}


@pinned
def test_one_thread_is_counted_in_beats():
    with clock_for(CPU, 1) as clock:
        assert isinstance(clock, PacedClock)
        first = clock()
        while clock().references < first.references + 3:
            torch.rand(200, 200) @ torch.rand(200, 200)
        spent = clock() - first
        assert spent.seconds > 0
        assert spent.pace > 0


@pinned
def test_nothing_outlives_the_block():
    before = os.sched_getaffinity(0)

    def fails():
        with clock_for(CPU, 1):
            assert len(os.sched_getaffinity(0)) == 1
            assert any(thread.name == "reference work" for thread in threading.enumerate())
            assert gc.get_freeze_count() > 0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert os.sched_getaffinity(0) == before
    assert not any(thread.name == "reference work" for thread in threading.enumerate())
    assert gc.get_freeze_count() == 0


def test_several_threads_are_counted_in_cpu_seconds():
    with clock_for(CPU, 2) as clock:
        assert isinstance(clock, ProcessClock)


def refused(*_):
    raise PermissionError


@pytest.mark.parametrize("pins", [None, refused])
def test_a_system_that_pins_nothing_is_counted_in_cpu_seconds(monkeypatch, pins):
    if pins is None:
        monkeypatch.delattr(clocks.os, "sched_setaffinity", raising=False)
    else:
        monkeypatch.setattr(clocks.os, "sched_setaffinity", pins, raising=False)
    with clock_for(CPU, 1) as clock:
        assert isinstance(clock, ProcessClock)


def test_a_device_is_waited_for_before_its_clock_is_read(monkeypatch):
    waited = []
    monkeypatch.setattr(clocks, "synchronise", waited.append)
    device = torch.device("cuda")
    with clock_for(device, 1) as clock:
        assert clock == DeviceClock(device)
        assert clock().seconds < clock().seconds
    assert waited == [device, device]
