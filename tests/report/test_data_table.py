"""The look before the work, in a terminal."""

import io

from rich.console import Console

from prunekit.report.data_section import DataSection, DatasetSection, SideSection
from prunekit.report.data_table import asked_table, data_table


def test_pieces_of_a_tokenizer_are_no_markup_and_everything_fits():
    side = SideSection(limit=8, cut=1, median=3, p95=7, longest=9, unknown=0.0)
    rows = DatasetSection(rows=4, sources=side, targets=side)
    found = DataSection(train=rows, dev=rows, test=rows, asked_with=("[bold]", "</s>"))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(data_table(found))
    console.print(asked_table(found))
    text = console.export_text()
    assert "[bold] </s>" in text
    assert "cut to 8 (task.source_length)" in text
    assert "…" not in text
