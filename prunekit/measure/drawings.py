"""The report's pictures, in coordinates: how training went, what stayed of every layer, quality over speed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, LEFT, BOTTOM = 560, 150, 48, 20
"""Of a chart, in pixels, with the room for the letters on its axes."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A named row of points; `dashed` for what was aimed at."""

    name: str
    points: str
    dashed: bool


@dataclass(frozen=True)
class Chart:
    """Lines over training steps; `breaks` are where a phase begins, with its name."""

    title: str
    lines: tuple[Line, ...]
    breaks: tuple[tuple[float, str], ...]
    top: str
    foot: str
    last: int


def charts(journal: Path) -> list[Chart]:
    """The training loss, and the sparsity beside its target where gates were learned; nothing without a log."""
    try:
        entries = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return []
    starts, rows, step = _joined(entries)
    loss: dict[str, list[Point]] = {"loss": [(at, row["loss"]) for at, row in rows if "loss" in row]}
    names = dict.fromkeys(key for _, row in rows for key in row if key.endswith(("_sparsity", "_target")))
    spared: dict[str, list[Point]] = {
        name.replace("_", " "): [(at, row[name]) for at, row in rows if name in row] for name in names
    }
    found = [("Training loss", loss, None), ("Sparsity while gates are learned", spared, 1.0)]
    return [_chart(title, series, starts, step, top) for title, series, top in found if any(map(len, series.values()))]


def _joined(entries: Sequence[Mapping[str, Any]]) -> tuple[list[tuple[int, str]], list[tuple[int, Any]], int]:
    """Where each phase begins, and the entries at steps that count on from phase to phase."""
    starts: list[tuple[int, str]] = []
    rows, before, last = [], 0, 0
    for entry in entries:
        if not starts or starts[-1][1] != entry["phase"] or entry["step"] < last:
            before += last
            starts.append((before, entry["phase"]))
        last = entry["step"]
        rows.append((before + last, entry))
    return starts, rows, before + last


def _chart(
    title: str, series: Mapping[str, Sequence[Point]], starts: Sequence[tuple[int, str]], steps: int, top: float | None
) -> Chart:
    highest = top or max(value for points in series.values() for _, value in points) or 1.0

    def across(at: float) -> float:
        return LEFT + at / max(steps, 1) * (WIDTH - LEFT - 8)

    def up(value: float) -> float:
        return (HEIGHT - BOTTOM) - min(value / highest, 1.0) * (HEIGHT - BOTTOM - 10)

    lines = tuple(
        Line(name, " ".join(f"{across(at):.1f},{up(value):.1f}" for at, value in points), name.endswith("target"))
        for name, points in series.items()
    )
    return Chart(title, lines, tuple((across(at), name) for at, name in starts), f"{highest:.3g}", "0", steps)


@dataclass(frozen=True)
class Place:
    """One kind of width in one layer: what stayed of it, of how many."""

    name: str
    left: int
    whole: int


def layers(report: Any, stack: str) -> Iterator[tuple[int, list[Place]]]:
    """Every layer of the dense stack by number, with what stayed of its widths; nothing where it went."""
    kept: list[int] = getattr(report.layers, f"{stack}_kept")
    for number in range(getattr(report.layers, f"{stack}_dense")):
        places = []
        if number in kept:
            for kind, left, whole in (
                ("heads", report.widths.heads, report.widths.dense_heads),
                ("FFN channels", report.widths.ffn, report.widths.dense_ffn),
            ):
                for place, counts in left.items():
                    if place.split(".")[0] == stack and len(counts) == len(kept):
                        at = kept.index(number)
                        places.append(Place(f"{place} {kind}".removeprefix(f"{stack} "), counts[at], whole[place][at]))
        yield number, places


def points(report: Any) -> list[tuple[float, float, str]]:
    """Where both models stand: x by speed, y by quality, both from 0 to 1 of the picture, with what to say of each."""
    if report.quality is None or report.latency is None:
        return []
    quality, times = report.quality, report.latency.workloads
    fastest = max(1.0, *(timing.speedup for timing in times))
    highest = max(quality.dense, quality.pruned, 1e-9)
    found = [(1 / fastest, quality.dense / highest, f"dense, {quality.dense:.1%}")]
    for timing in times:
        text = f"batch {timing.workload.batch}: {timing.speedup:.2f}x, {quality.pruned:.1%}"
        found.append((timing.speedup / fastest, quality.pruned / highest, text))
    return found
