"""Scales of charts: they hold their values and have round ticks."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunekit.report.axes import Scale, short_number


@pytest.mark.parametrize("values", [[0.3], [1.0, 3.7], [97.0], [-1.5, 2.0], [0.0], [12345.0]])
def test_a_scale_from_zero_holds_zero_and_every_value(values):
    scale = Scale.from_zero(values, 50, 450)
    assert all(50 <= scale(value) <= 450 for value in (0.0, *values))
    ticks = scale.ticks(short_number)
    assert 2 <= len(ticks) <= 8
    assert "0" in {tick.text for tick in ticks}


def test_without_room_the_largest_is_at_the_end():
    assert Scale.from_zero([250.0], 50, 450, space=0)(250) == 450


@given(st.lists(st.floats(-1000, 1000), min_size=1, max_size=9))
def test_a_scale_holds_its_values_and_has_round_ticks(values):
    scale = Scale.around(values, 50, 450)
    assert all(50 <= scale(value) <= 450 for value in values)
    ticks = scale.ticks(lambda value: f"{value:.12g}")
    assert 2 <= len(ticks) <= 14
    leading = scale.step / 10 ** math.floor(math.log10(scale.step) + 1e-9)
    assert min(abs(leading - round_one) for round_one in (1, 2, 5)) < 1e-9
    assert all(tick.at == scale(float(tick.text)) for tick in ticks)
