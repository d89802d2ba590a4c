"""Writes a comparison down: data for programs, a page for people, and tables for a document that holds others too."""

from pathlib import Path

from prunekit._support.atomic import insert_between, write_text
from prunekit.compare.figures import Summary
from prunekit.compare.html import comparison_html
from prunekit.compare.markdown import comparison_markdown


def write_comparison(summary: Summary, directory: Path) -> None:
    """Write `comparison.json`, `results.md` and `comparison.html`."""
    write_text(directory / "comparison.json", summary.model_dump_json(indent=2) + "\n")
    write_text(directory / "results.md", f"# {summary.name}\n\n{comparison_markdown(summary)}")
    write_text(directory / "comparison.html", comparison_html(summary))


def insert_tables(summary: Summary, document: Path) -> None:
    """Put the tables between ``<!-- compare:NAME -->`` and ``<!-- /compare:NAME -->`` in a document.

    Raises `PrunekitError` where these are missing.
    """
    insert_between(document, f"compare:{summary.name}", comparison_markdown(summary))
