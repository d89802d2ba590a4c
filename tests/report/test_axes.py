import pytest

from prunekit.report.axes import Scale, short_number


@pytest.mark.parametrize("values", [[0.3], [1.0, 3.7], [97.0], [-1.5, 2.0], [0.0], [12345.0]])
def test_a_scale_from_zero_holds_zero_and_every_value(values):
    scale = Scale.upto(values, 50, 450)
    assert all(50 <= scale(value) <= 450 for value in (0.0, *values))
    ticks = scale.ticks(short_number)
    assert 2 <= len(ticks) <= 8
    assert "0" in {tick.text for tick in ticks}


def test_without_room_the_largest_is_at_the_end():
    assert Scale.upto([250.0], 50, 450, room=0)(250) == 450
