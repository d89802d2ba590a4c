"""What the look before the work found, as tables in the terminal."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from prunekit.report.data_facts import asked_facts, data_facts, forecast_facts
from prunekit.report.data_section import DataSection


def data_table(found: DataSection) -> Table:
    """Rows, lengths and cuts of every set, a column each."""
    names, *rows = data_facts(found)
    table = _table("What the model is given")
    for name in names[1:]:
        table.add_column(name, justify="right", header_style="dim")
    return _filled(table, rows)


def asked_table(found: DataSection) -> Table:
    """How the model is asked, how it answers, and what the run will come to: a fact and a text a row."""
    table = _table("How it is asked, and what to expect" if found.forecast else "How it is asked")
    table.show_header = False
    table.add_column("")
    return _filled(table, [*asked_facts(found), *(forecast_facts(found.forecast) if found.forecast else ())])


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    return table


def _filled(table: Table, rows: Sequence[tuple[str, ...]]) -> Table:
    """The table with these rows, whose texts hold no markup: pieces of a tokenizer may look like some."""
    for row in rows:
        table.add_row(*map(Text, row))
    return table
