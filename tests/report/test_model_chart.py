"""Marks and labels of models: labels lie apart, within the chart, and lead to their points."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunekit.report.axes import Scale
from prunekit.report.model_chart import COLOURS, LETTER, SHAPES, ChartedModel, LabelBoxes, model_chart, point_style

models = st.lists(st.tuples(st.floats(0.5, 5), st.floats(20, 90), st.floats(0, 5)), min_size=1, max_size=9)


def drawn(found, size=(960, 480), scale=Scale.around, label="variant-{}"):
    made = [
        ChartedModel(label.format(n), "", speed, quality, quality - spread, quality + spread, *point_style(n))
        for n, (speed, quality, spread) in enumerate(found)
    ]
    return model_chart(made, scale, size, "x", "y")


def box(point):
    return point.label_x, point.label_y - 10, point.label_right, point.label_y + 2


@settings(max_examples=60, deadline=None)
@given(models, st.sampled_from([(350, 430), (960, 480)]), st.sampled_from([Scale.around, Scale.from_zero]))
def test_marks_and_their_spread_lie_within_the_axes(found, size, scale):
    chart = drawn(found, size, scale)
    frame = chart.frame
    for point in chart.points:
        assert frame.left <= point.x <= size[0] - frame.right
        assert frame.top <= point.high <= point.y <= point.low <= size[1] - frame.bottom
    assert {point.label: point for point in chart.points}["variant-0"].y == chart.level


def test_labels_lie_apart_even_where_marks_do_not():
    chart = drawn([(3.0, 60 + n / 100, 0.0) for n in range(8)])
    for one, other in itertools.combinations(map(box, chart.points), 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_long_labels_lie_apart_in_a_narrow_chart():
    chart = drawn(
        [(3.0 + n / 50, 60.0, 0.0) for n in range(4)], (350, 330), Scale.from_zero, "pruned, batch {}, 99+99 tokens"
    )
    for point in chart.points:
        assert chart.frame.left <= point.label_x
        assert point.label_right <= 350
    for one, other in itertools.combinations(map(box, chart.points), 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_a_label_on_another_line_is_led_to_its_mark():
    first, second = drawn([(3.0, 60.0, 0.0), (3.0, 60.0, 0.0)]).points
    assert not first.led
    left, right = second, first
    assert left.led == (abs(left.label_y - right.label_y) > 1)


def test_a_label_lies_to_the_right_of_its_mark_if_it_can():
    boxes = LabelBoxes(500, 300, [(100.0, 100.0)])
    x, y = boxes.add(100.0, 100.0, "nash")
    assert (x > 107, abs(y - 104)) == (True, 0)
    assert boxes.taken[-1][2] - boxes.taken[-1][0] == pytest.approx(4 * LETTER + 4)


def test_thirty_models_look_different():
    assert len({point_style(number) for number in range(len(COLOURS) * len(SHAPES))}) == 30
