"""A report as a page for people who would rather look than read."""

import difflib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from prunekit._support.templates import render
from prunekit.report.charts import Chart, UnitMap, losses, sparsities, trade, unit_map
from prunekit.report.formatting import against, count, factor, figure, percent, seconds, span, workload
from prunekit.report.training_log import Training

if TYPE_CHECKING:
    from prunekit.report.report import Report

WIDE, NARROW = (760, 340), (350, 330)
"""Pixels of quality over speed on a screen or on paper, and on a phone: the letters keep their size."""
CURVE, NARROW_CURVE = (480, 260), (350, 250)
MAP = 308

Words = list[tuple[str, bool]]


def report_html(report: "Report", title: str, run: Sequence[Training]) -> str:
    """A page that needs nothing but itself, from a report and the trainings in its run's log."""
    spelling = (count, factor, figure, percent, seconds, span)
    quality, latency = report.quality, report.latency
    values = {
        "report": report,
        "title": title,
        "trades": [trade(quality, latency, *size) for size in (WIDE, NARROW)] if quality and latency else [],
        "charts": list(_charts(run)),
        "maps": list(_maps(report)),
        "differing": differing,
    }
    return render("prunekit.report", "report.html.j2", values, (*spelling, workload, against))


def _charts(run: Sequence[Training]) -> Iterator[list[Chart]]:
    """Every chart that there is something for, in two sizes."""
    for draw in (losses, sparsities):
        sizes = [draw(run, *size) for size in (CURVE, NARROW_CURVE)]
        if found := [chart for chart in sizes if chart is not None]:
            yield found


def _maps(report: "Report") -> Iterator[UnitMap]:
    """The maps of all places: those of the encoder, then those of the decoder."""
    if report.kept is None:
        return
    both = (("heads", report.kept.heads), ("FFN channels", report.kept.ffn))
    for stack in ("encoder", "decoder"):
        for label, places in both:
            own = {name: place for name, place in places.items() if name.split(".")[0] == stack}
            yield from (unit_map(f"{name} {label}", place, MAP) for name, place in own.items())


def differing(one: str, other: str) -> tuple[Words, Words]:
    """Both texts in stretches of words, each with whether the other text lacks it. Example: "S P IY", "S P EH"."""
    words = one.split(), other.split()
    sides: tuple[Words, Words] = ([], [])
    for what, *ends in difflib.SequenceMatcher(None, *words, autojunk=False).get_opcodes():
        for side, text, (start, end) in zip(sides, words, (ends[:2], ends[2:]), strict=True):
            if start < end:
                side.append((" ".join(text[start:end]), what != "equal"))
    return sides
