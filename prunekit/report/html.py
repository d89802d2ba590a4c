"""A report as a page for people."""

import difflib
from collections.abc import Iterator, Sequence

from prunekit._support.templates import render
from prunekit.report.charts import CurveChart, UnitMap, loss_chart, sparsity_chart, speed_chart, unit_map
from prunekit.report.data_facts import asked_facts, data_facts
from prunekit.report.formatting import (
    count,
    factor,
    figure,
    health_facts,
    percent,
    quality_kept,
    recovery_text,
    report_title,
    seconds,
    span,
    workload_text,
)
from prunekit.report.report import Report
from prunekit.report.training_log import Training

WIDE = (760, 340)
NARROW = (350, 330)
"""Width and height of quality over speed, on a screen or on paper, and on a phone: letters keep their size."""

CURVE = (480, 260)
NARROW_CURVE = (350, 250)
"""Width and height of training curves."""

MAP_WIDTH = 308

Stretches = list[tuple[str, bool]]
"""Words of a text in stretches, each with whether the other text lacks it."""


def report_html(report: Report, run: Sequence[Training] = ()) -> str:
    """A page that needs nothing but itself, from a report and the trainings in its run's log."""
    quality = report.quality
    latency = report.latency
    values = {
        "report": report,
        "title": report_title(report),
        "trades": [speed_chart(quality, latency, *size) for size in (WIDE, NARROW)] if quality and latency else [],
        "charts": list(_line_charts(run)),
        "maps": list(_maps(report)),
        "differing": differing,
        "health": health_facts(report.answers) if report.answers else [],
        "given": data_facts(report.data) if report.data else [],
        "asked": asked_facts(report.data) if report.data else [],
    }
    filters = (count, factor, figure, percent, seconds, span, workload_text, quality_kept, recovery_text)
    return render("prunekit.report", "report.html.j2", values, filters)


def _line_charts(run: Sequence[Training]) -> Iterator[list[CurveChart]]:
    """Every chart that there are values for, in two sizes."""
    for draw in (loss_chart, sparsity_chart):
        sizes = [draw(run, *size) for size in (CURVE, NARROW_CURVE)]
        charts = [chart for chart in sizes if chart is not None]
        if charts:
            yield charts


def _maps(report: Report) -> Iterator[UnitMap]:
    """The maps of all sublayers: those of the encoder, then those of the decoder."""
    if report.kept is None:
        return
    kinds = (("heads", report.kept.heads), ("FFN channels", report.kept.ffn))
    for stack in ("encoder", "decoder"):
        for label, sublayers in kinds:
            own = {name: units for name, units in sublayers.items() if name.split(".")[0] == stack}
            yield from (unit_map(f"{name} {label}", units, MAP_WIDTH) for name, units in own.items())


def differing(one: str, other: str) -> tuple[Stretches, Stretches]:
    """Both texts in stretches of words, each with whether the other text lacks it. Example: "S P IY", "S P EH"."""
    words = (one.split(), other.split())
    sides: tuple[Stretches, Stretches] = ([], [])
    for change, *ends in difflib.SequenceMatcher(None, *words, autojunk=False).get_opcodes():
        for side, text, (start, end) in zip(sides, words, (ends[:2], ends[2:]), strict=True):
            if start < end:
                side.append((" ".join(text[start:end]), change != "equal"))
    return sides
