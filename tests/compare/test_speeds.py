"""Speeds of a comparison: every shape once, all of them in one go, and only when there is something new."""

import json

import pytest

from prunekit.compare import Comparison, compare, speeds
from prunekit.latency.timing import Speed
from prunekit.recipe import Workload


@pytest.fixture
def timed(monkeypatch):
    """Notes which models are timed together; a model of n parameters takes n seconds."""
    timed = []

    def fake(dense, others, workload, repeats, threads, seed, progress, sources):
        sizes = {name: sum(p.numel() for p in model.parameters()) for name, model in {"": dense, **others}.items()}
        timed.append((sorted(sizes.values()), workload))
        return {
            name: Speed(workload=workload, speedup=sizes[""] / sizes[name], wall_speedup=1.0, error=0.25)
            for name in others
        }

    monkeypatch.setattr(speeds, "speedups", fake)
    return timed


def test_all_shapes_are_timed_together_and_once(comparison, tmp_path, timed):
    comparison["seeds"] = [0]
    found = Comparison.parse(comparison)
    summary = compare(found)
    reports = {
        path.parent.name.split("-24ex")[0]: json.loads(path.read_text())["parameters"]
        for path in tmp_path.glob("out/trials/*/report.json")
    }
    dense = reports["narrow"]["dense"]
    assert timed == [(sorted([dense, *(one["pruned"] for one in reports.values())]), Workload(source=4, new_tokens=3))]
    for row in summary.tables[0].rows:
        assert row.speeds[0].speedup == pytest.approx(dense / reports[row.variant]["pruned"])
        assert row.speeds[0].error == 0.25
    assert compare(found) == summary
    assert len(timed) == 1
    comparison["base"]["measure"]["workloads"] = [{"source": 5, "new_tokens": 2}]
    again = Comparison.parse(comparison)
    speeds.time_together(again, [(tmp_path / "out/trials/narrow-24ex-0/plan.json").read_text()])
    assert timed[1][1] == Workload(source=5, new_tokens=2)
    assert len(timed[1][0]) == 2
