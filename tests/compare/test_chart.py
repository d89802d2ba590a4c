"""The chart of a comparison: every variant at its figures."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from prunekit.compare.chart import quality_chart

qualities = st.lists(st.floats(0.2, 0.9), min_size=1, max_size=3)
variants = st.lists(st.tuples(qualities, st.floats(0.8, 5)), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(found=variants, size=st.sampled_from([(350, 430), (960, 480)]))
def test_every_mark_lies_within_the_chart_at_its_figures(make_row, make_summary, found, size):
    rows = [make_row(f"variant-{n}", values, speed) for n, (values, speed) in enumerate(found)]
    whole = make_summary(rows, best=None)
    drawn = quality_chart(whole, whole.tables[0], *size)
    points = {point.label: point for point in drawn.points}
    assert set(points) == {"dense", *(one.variant for one in rows)}
    for one, other in itertools.combinations((whole.dense, *rows), 2):
        left, right = points[one.variant], points[other.variant]
        faster = one.speeds[0].speedup - other.speeds[0].speedup
        better = one.quality.mean - other.quality.mean
        assert faster * (left.x - right.x) >= -1e-6
        assert better * (right.y - left.y) >= -1e-6
    for point in drawn.points:
        assert drawn.frame.left <= point.x <= size[0] - drawn.frame.right
        assert drawn.frame.top <= point.high <= point.y <= point.low <= size[1] - drawn.frame.bottom
    assert len({(point.colour, point.shape) for point in drawn.points}) == len(drawn.points)


def test_baselines_are_hollow_and_bars_span_one_deviation_to_either_side(full):
    chart = quality_chart(full, full.tables[0], 960, 480)
    points = {point.label: point for point in chart.points}
    assert {label: point.filled for label, point in points.items()} == {"dense": True, "nash": True, "depth": False}
    nash, depth = points["nash"], points["depth"]
    assert abs((nash.low - nash.y) - (nash.y - nash.high)) <= 0.11
    assert abs((nash.low - nash.high) - 2 * (depth.y - nash.y) / 1.5) < 0.5, (
        "two deviations of a point, on a scale of 1.5"
    )
    assert "67.00% ± 1.00 at 3.40x" in nash.title


def test_amounts_have_no_percentages(full):
    chart = quality_chart(full.model_copy(update={"amounts": ("exact_match",)}), full.tables[0], 720, 420)
    assert chart.frame.axis_y == "exact_match"
    assert "0.67 ± 0.01 at" in chart.points[1].title
    assert quality_chart(full, full.tables[0], 720, 420).frame.axis_y == "exact_match, %"
