"""The report's pictures: lines through the logged figures, bars by what stayed, marks at their speeds."""

import json

import pytest

from prunekit.measure.drawings import BOTTOM, HEIGHT, LEFT, WIDTH, charts


def journal(tmp_path, *entries):
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def places(line):
    return [tuple(map(float, pair.split(","))) for pair in line.points.split()]


def test_phases_follow_each_other_and_values_are_to_scale(tmp_path):
    found = charts(
        journal(
            tmp_path,
            {"phase": "learn", "step": 10, "loss": 4.0},
            {"phase": "learn", "step": 20, "loss": 2.0, "encoder_sparsity": 0.5, "encoder_target": 0.25},
            {"phase": "learn", "step": 10, "loss": 2.0},
            {"phase": "recover", "step": 30, "loss": 1.0},
        )
    )
    loss, spared = found
    assert loss.last == 60
    assert [name for _, name in loss.breaks] == ["learn", "learn", "recover"]
    wide, high = WIDTH - LEFT - 8, HEIGHT - BOTTOM - 10
    steps, values = zip(*places(loss.lines[0]), strict=True)
    assert [(x - LEFT) / wide * 60 for x in steps] == pytest.approx([10, 20, 30, 60], abs=0.1)
    assert [(HEIGHT - BOTTOM - y) / high * 4 for y in values] == pytest.approx([4, 2, 2, 1], abs=0.02)
    assert {line.name: line.dashed for line in spared.lines} == {"encoder sparsity": False, "encoder target": True}
    ((_, at),) = places(spared.lines[0])
    assert (HEIGHT - BOTTOM - at) / high == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("text", [None, "", "not json"])
def test_without_a_log_there_is_no_chart(tmp_path, text):
    path = tmp_path / "log.jsonl"
    if text is not None:
        path.write_text(text)
    assert charts(path) == []
