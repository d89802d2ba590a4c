"""Writes a front down: data for programs, a page for people, and a table for a document."""

from pathlib import Path

from prunekit._support.atomic import write_text
from prunekit.front.figures import Front
from prunekit.front.html import front_html
from prunekit.front.sentences import front_notes, front_title, selection_sentences
from prunekit.front.tables import front_columns, front_values


def write_front(found: Front, directory: Path) -> None:
    """Write `front.json`, `results.md` and `front.html`."""
    write_text(directory / "front.json", found.model_dump_json(indent=2) + "\n")
    write_text(directory / "results.md", front_markdown(found))
    write_text(directory / "front.html", front_html(found))


def front_markdown(found: Front) -> str:
    """A page in Markdown: the table, the model to take, and how to read it."""
    names = front_columns(found)
    grid = [names, ["---", *("---:" for _ in names[1:])], *front_values(found)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in grid)
    return "\n\n".join([f"# {front_title(found)}", table, *selection_sentences(found), *front_notes(found)]) + "\n"
