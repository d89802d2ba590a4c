"""Writes a comparison down: data for programs, a page for people, and a table for a document that holds others too."""

from pathlib import Path

from prunekit._support import atomic
from prunekit._support.atomic import write_text
from prunekit._support.templates import render
from prunekit.compare.chart import quality_chart
from prunekit.compare.figures import Summary
from prunekit.compare.tables import (
    cells,
    column_heading,
    columns,
    environment_sentence,
    markdown,
    missing,
    notes,
    recommendation,
)

WIDE, NARROW = (960, 480), (350, 430)
"""Pixels of the picture on a screen or on paper, and on a phone: the letters keep their size."""


def write_comparison(summary: Summary, directory: Path) -> None:
    """Write `comparison.json`, `results.md` and `comparison.html`."""
    write_text(directory / "comparison.json", summary.model_dump_json(indent=2) + "\n")
    write_text(directory / "results.md", f"# {summary.name}\n\n{markdown(summary)}")
    write_text(directory / "comparison.html", comparison_html(summary))


def comparison_html(summary: Summary) -> str:
    """A page that needs nothing but itself."""
    parts = [
        {
            "heading": column_heading(table.limits),
            "verdict": recommendation(summary, table),
            "charts": [quality_chart(summary, table, *size) for size in (WIDE, NARROW)],
            "columns": columns(summary, table),
            "rows": list(cells(summary, table)),
        }
        for table in summary.tables
    ]
    values = {
        "summary": summary,
        "parts": parts,
        "notes": notes(summary),
        "missing": missing(summary),
        "environment": environment_sentence,
    }
    return render("prunekit.compare", "comparison.html.j2", values)


def insert_tables(summary: Summary, document: Path) -> None:
    """Put the tables between ``<!-- compare:NAME -->`` and ``<!-- /compare:NAME -->`` in a document.

    Raises `PrunekitError` where these are missing.
    """
    atomic.insert_between(document, f"compare:{summary.name}", markdown(summary))
