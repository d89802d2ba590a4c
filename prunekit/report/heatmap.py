"""A page with the speed of every shape as a heatmap: dark is fast."""

from collections.abc import Sequence
from pathlib import Path

from prunekit._support.atomic import write_text
from prunekit._support.templates import render
from prunekit.latency.shapes import Shape
from prunekit.recipe import Workload

LIGHT = (247, 251, 255)
DARK = (8, 48, 107)
"""Two blues that differ in grey prints too."""


def write_heatmap(rows: Sequence[Sequence[Shape]], workload: Workload, noise: float, path: Path) -> None:
    """Write a page that needs nothing but itself."""
    fastest = max(shape.speedup for row in rows for shape in row)
    cells = [[(shape, *shade((shape.speedup - 1) / max(fastest - 1, 1e-9))) for shape in row] for row in rows]
    values = {"rows": cells, "workload": workload.spelled, "noise": noise}
    write_text(path, render("prunekit.report", "heatmap.html.j2", values))


def shade(share: float) -> tuple[str, str]:
    """The colour of a cell, 0 light to 1 dark, and that of its text."""
    share = min(max(share, 0.0), 1.0)
    mixed = [round(low + share * (high - low)) for low, high in zip(LIGHT, DARK, strict=True)]
    return f"rgb({mixed[0]}, {mixed[1]}, {mixed[2]})", "#fff" if share > 0.45 else "#111"
