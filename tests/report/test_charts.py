"""Charts of a report: lengths, positions and labels against the figures."""

import itertools

import pytest

from prunekit.report.charts import MAX_POINTS, downsampled, loss_chart, sparsity_chart, speed_chart, unit_map
from prunekit.report.kept_units import SublayerUnits
from prunekit.report.sections import LatencySection, QualitySection
from prunekit.report.training_log import Training

SPLIT = {part: {"encoder": 0.5, "decoder": 0.5, "head": 0, "loop": 0} for part in ("dense", "pruned")}


def latency(*speedups):
    timing = {"device": "cpu", "threads": 1, "wall_speedup": 1.0, "split": SPLIT, "dense_s": 1.0, "pruned_s": 1.0}
    timing |= {"dense_wall_s": 1.0, "pruned_wall_s": 1.0}
    sections = [{**timing, "workload": {"batch": number}, "speedup": speed} for number, speed in enumerate(speedups, 1)]
    return LatencySection.model_validate({**sections[0], "workloads": sections})


def quality(dense, pruned, **more):
    figures = {"metric": "wer", "higher_is_better": False, "dense": dense, "pruned": pruned, "retained": None}
    return QualitySection.model_validate({**figures, "examples": 9, **more})


def by_label(chart):
    return {point.label: point for point in chart.points}


def test_lengths_are_proportional_to_speed_and_quality():
    chart = speed_chart(quality(0.2, 0.4), latency(3.0), 760, 340)
    dense, pruned = (by_label(chart)[label] for label in ("dense", "pruned, batch 1, 128+32 tokens"))
    origin, floor = 56, 340 - 44
    assert pruned.x - origin == pytest.approx(3 * (dense.x - origin), abs=0.3)
    assert floor - pruned.y == pytest.approx(2 * (floor - dense.y), abs=0.3)
    assert chart.frame.axis_y == "wer, % (lower is better)"
    assert chart.level == dense.y


def test_marks_and_labels_lie_within_the_chart_and_labels_apart():
    for scores in ((0.9, 0.0), (0.0, 0.9), (0.5, 0.5), (1e-4, 2.5)):
        for size in ((760, 340), (350, 330)):
            chart = speed_chart(quality(*scores), latency(0.3, 3.0, 3.05, 12.0), *size)
            for point in chart.points:
                assert 56 <= point.x <= size[0] - 14
                assert 0 < point.y <= size[1] - 44
                assert 0 < point.label_y < size[1]
                assert 56 < point.label_x < point.label_right < size[0]
            boxes = [
                (point.label_x, point.label_y - 10, point.label_right, point.label_y + 2) for point in chart.points
            ]
            for one, other in itertools.combinations(boxes, 2):
                assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_the_first_workload_alone_is_filled_whatever_its_speed():
    chart = speed_chart(quality(0.5, 0.4), latency(3.0, 2.0), 760, 340)
    filled = {point.label: point.filled for point in chart.points}
    assert filled == {"dense": True, "pruned, batch 1, 128+32 tokens": True, "pruned, batch 2, 128+32 tokens": False}


def test_the_spread_is_that_of_the_resamples():
    intervals = {"dense": [0.45, 0.55], "pruned": [0.3, 0.5]}
    points = by_label(speed_chart(quality(0.5, 0.4, intervals=intervals), latency(2.0), 760, 340))
    dense, pruned = points["dense"], points["pruned, batch 1, 128+32 tokens"]
    assert pruned.low - pruned.high == pytest.approx(2 * (dense.low - dense.high), abs=0.3)
    assert pruned.high == dense.y


def run():
    learn = Training("learn", [{"step": n, "loss": 2 - n / 5, "a_sparsity": n / 20, "a_target": 0.5} for n in (5, 15)])
    return [learn, Training("recover", [{"step": n, "loss": 1.0} for n in (5, 10)])]


def test_trainings_lie_one_after_the_other():
    chart = loss_chart(run(), 480, 260)
    first, second = ([tuple(map(float, point.split(","))) for point in line.points.split()] for line in chart.lines)
    assert [phase.text for phase in chart.phases] == ["learn", "recover"]
    assert first[-1][0] == chart.phases[1].at < second[0][0]
    assert second[-1][0] == 480 - 14
    assert 260 - 44 - 17 < first[-1][1] < 260 - 44  # the last loss is -1, the least of all
    assert first[0][1] == second[0][1]  # both are 1


def test_a_target_is_dashed_and_only_what_was_gated_is_drawn():
    chart = sparsity_chart(run(), 480, 260)
    assert [line.dashed for line in chart.lines] == [True, False]
    assert chart.names == [("a", "#0072b2")]
    assert sparsity_chart(run()[1:], 480, 260) is None
    assert loss_chart([], 480, 260) is None


def test_a_name_of_a_phase_lies_on_no_other():
    short = [Training("learn", [{"step": 1, "loss": 1.0}]), Training("recover", [{"step": 99, "loss": 1.0}])]
    assert [phase.text for phase in loss_chart(short, 480, 260).phases] == ["learn", ""]


def test_long_curves_keep_their_ends():
    points = [(float(n), float(n)) for n in range(10_000)]
    few = downsampled(points)
    assert len(few) == MAX_POINTS
    assert (few[0], few[-1]) == (points[0], points[-1])


def test_a_map_has_a_cell_a_head_and_fills_it_by_what_stayed():
    place = SublayerUnits(layers=[0, 5], units=[128, 128], kept=[[2, 1, 0, *[2] * 61], None])
    drawn = unit_map("encoder FFN channels", place, 308)
    assert [cell.share for cell in drawn.strips[0].cells[:4]] == [1.0, 0.5, 0.0, 1.0]
    assert drawn.strips[0].cells[-1].x + drawn.strips[0].cells[-1].width <= 308 - 92
    assert (drawn.strips[1].cells, drawn.strips[1].text, drawn.strips[1].layer) == ([], "dropped", 5)
    assert drawn.text == "125 of 256 kept"
