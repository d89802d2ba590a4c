"""Clocks: a slow core is told by its beats, in closed form; and nothing of the arrangement outlives the block."""

import gc
import os
import threading

import pytest
import torch

from prunekit.measure import clocks
from prunekit.measure.clocks import BeatClock, DeviceClock, Pace, ProcessClock, clock_for

CPU = torch.device("cpu")
pinned = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot be kept on a core here")


def test_a_core_that_is_half_as_fast_gets_half_as_much_done():
    pace = Pace(0.0, 5.0, 5.0, 1.0)
    fast = pace.after(15.0, 1.0)  # ten CPU seconds at a second a beat
    slow = fast.after(35.0, 2.0)  # twenty at two
    assert (fast.done, slow.done) == (10, 20)
    assert slow.at(37.0) == 21
    assert slow.unit == pytest.approx(30 / 20)
    assert pace.unit == 1.0, "before anything was done, the first beat"


def test_equal_work_counts_alike_however_slow_the_core():
    """The same 12 beats' worth of work on a core that slows down in the middle of it."""
    pace, cpu = Pace(0.0, 0.0, 0.0, 0.001), 0.0
    for beat in [0.001] * 6 + [0.0018] * 6:
        cpu += 1 * beat
        pace = pace.after(cpu, beat)
    assert pace.done == pytest.approx(12)


@pinned
def test_one_thread_is_counted_in_beats():
    with clock_for(CPU, 1) as clock:
        assert isinstance(clock, BeatClock)
        first = clock()
        torch.rand(200, 200) @ torch.rand(200, 200)
        assert clock() > first
        assert clock.unit > 0


@pinned
def test_nothing_outlives_the_block():
    before = os.sched_getaffinity(0)

    def fails():
        with clock_for(CPU, 1):
            assert len(os.sched_getaffinity(0)) == 1
            assert any(thread.name == "beats" for thread in threading.enumerate())
            assert gc.get_freeze_count() > 0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert os.sched_getaffinity(0) == before
    assert not any(thread.name == "beats" for thread in threading.enumerate())
    assert gc.get_freeze_count() == 0


def test_several_threads_are_counted_in_cpu_seconds():
    with clock_for(CPU, 2) as clock:
        assert clock == ProcessClock()
        assert clock.unit == 1.0


def refused(*_):
    raise PermissionError


@pytest.mark.parametrize("pins", [None, refused])
def test_a_system_that_pins_nothing_is_counted_in_cpu_seconds(monkeypatch, pins):
    if pins is None:
        monkeypatch.delattr(clocks.os, "sched_setaffinity", raising=False)
    else:
        monkeypatch.setattr(clocks.os, "sched_setaffinity", pins, raising=False)
    with clock_for(CPU, 1) as clock:
        assert clock == ProcessClock()


def test_a_device_is_waited_for_before_its_clock_is_read(monkeypatch):
    waited = []
    monkeypatch.setattr(clocks, "synchronise", waited.append)
    device = torch.device("cuda")
    with clock_for(device, 1) as clock:
        assert clock == DeviceClock(device)
        assert clock() < clock()
    assert waited == [device, device]
