"""The schedule of a target: a straight line through its documented points, then level, however it is cut."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunekit.learn.masking.schedule import SparsitySchedule


def test_the_documented_points():
    schedule = SparsitySchedule(0.3, 100)
    assert [schedule.at(step) for step in (0, 50, 100, 101, 10**6)] == [0.0, 0.15, 0.3, 0.3, 0.3]


def test_without_warmup_the_whole_target_applies_at_once():
    assert SparsitySchedule(0.6).at(0) == 0.6


@given(st.fractions(0, 1), st.integers(1, 1000), st.integers(0, 2000))
def test_every_step_of_the_warmup_adds_the_same_share(target, warmup, step):
    exact = target * min(Fraction(step, warmup), 1)
    assert SparsitySchedule(float(target), warmup).at(step) == pytest.approx(float(exact), rel=1e-12, abs=1e-15)
