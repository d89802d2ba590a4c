"""A comparison as a page for people."""

from prunekit._support.templates import render
from prunekit.compare.chart import quality_chart
from prunekit.compare.figures import Summary
from prunekit.compare.sentences import missing_sentences, reading_notes, recommendation, table_heading
from prunekit.compare.tables import column_names, table_cells

WIDE = (960, 480)
NARROW = (350, 430)
"""Width and height of the chart, on a screen or on paper, and on a phone: letters keep their size."""


def comparison_html(summary: Summary) -> str:
    """A page that needs nothing but itself."""
    parts = [
        {
            "heading": table_heading(table.limits),
            "recommendation": recommendation(summary, table),
            "charts": [quality_chart(summary, table, *size) for size in (WIDE, NARROW)],
            "columns": column_names(summary, table),
            "rows": list(table_cells(summary, table)),
        }
        for table in summary.tables
    ]
    notes = reading_notes(summary)
    values = {"summary": summary, "parts": parts, "notes": notes, "missing": missing_sentences(summary)}
    return render("prunekit.compare", "comparison.html.j2", values)
