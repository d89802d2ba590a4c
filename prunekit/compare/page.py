"""Writes a comparison down: data for programs, a page for people, and a table for a document that holds others too."""

from importlib.resources import files
from pathlib import Path

import jinja2

from prunekit.compare.figures import Summary
from prunekit.compare.picture import picture
from prunekit.compare.words import cells, columns, environment, heading, markdown, notes, verdict
from prunekit.errors import PrunekitError
from prunekit.files import write_text

WIDE, NARROW = (960, 480), (350, 430)
"""Pixels of the picture on a screen or on paper, and on a phone: the letters keep their size."""


def write(summary: Summary, directory: Path) -> None:
    """Write `comparison.json`, `results.md` and `comparison.html`."""
    write_text(directory / "comparison.json", summary.model_dump_json(indent=2) + "\n")
    write_text(directory / "results.md", f"# {summary.name}\n\n{markdown(summary)}")
    write_text(directory / "comparison.html", html(summary))


def html(summary: Summary) -> str:
    """A page that needs nothing but itself."""
    pages = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    parts = [
        {
            "heading": heading(table.limits),
            "verdict": verdict(summary, table),
            "pictures": [picture(summary, table, *size) for size in (WIDE, NARROW)],
            "columns": columns(summary, table),
            "rows": list(cells(summary, table)),
        }
        for table in summary.tables
    ]
    template = (files("prunekit.compare") / "comparison.html.j2").read_text(encoding="utf-8")
    return pages.from_string(template).render(
        summary=summary, parts=parts, notes=notes(summary), environment=environment
    )


def insert(summary: Summary, document: Path) -> None:
    """Put the tables between ``<!-- compare:NAME -->`` and ``<!-- /compare:NAME -->`` in a document.

    What stands between the two is replaced, all else stays. Raises `PrunekitError` where they are missing.
    """
    start, end = f"<!-- compare:{summary.name} -->", f"<!-- /compare:{summary.name} -->"
    try:
        text = document.read_text(encoding="utf-8")
    except OSError as error:
        raise PrunekitError(f"The document {str(document)!r} cannot be read: {error.strerror}.") from error
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise PrunekitError(f"{str(document)!r} has no place for the table; put {start} and {end} where it belongs.")
    write_text(document, f"{before}{start}\n{markdown(summary).rstrip()}\n{end}{after}")
