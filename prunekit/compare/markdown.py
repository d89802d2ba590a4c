"""A comparison as Markdown."""

from collections.abc import Sequence

from prunekit.compare.figures import Summary
from prunekit.compare.sentences import missing_sentences, reading_notes, recommendation, table_heading
from prunekit.compare.tables import column_names, table_cells


def comparison_markdown(summary: Summary) -> str:
    """A part of a Markdown document, with the command that made it."""
    lines = [f"`{summary.command}`", ""]
    for table in summary.tables:
        grid = _grid(column_names(summary, table), list(table_cells(summary, table)))
        lines += [f"### {table_heading(table.limits)}", "", *grid, ""]
        lines += [f"- {sentence}" for sentence in recommendation(summary, table)] + [""]
    lines += [text for note in reading_notes(summary) for text in (note, "")]
    missing = missing_sentences(summary)
    if missing:
        lines += ["Missing:", "", *(f"- {line}" for line in missing), ""]
    return "\n".join(lines)


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table: names to the left, figures to the right."""
    rule = ["---", *("---:" for _ in head[1:])]
    return [f"| {' | '.join(text.replace('|', '/') for text in row)} |" for row in (head, rule, *rows)]
