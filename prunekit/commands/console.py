"""Where commands print: results on stdout, everything else on stderr."""

import logging
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from prunekit.report.data_section import DataSection

OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False)


class StderrHandler(logging.Handler):
    """Shows the engine's log messages as dim lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        ERR.print(Text(f"{record.levelname.lower()}: {record.getMessage()}", style="dim"), soft_wrap=True)


def print_data(found: "DataSection", console: Console = ERR) -> None:
    """Print what a look at model and data found, as two short tables."""
    from prunekit.report.data_table import asked_table, data_table

    for table in (data_table(found), asked_table(found)):
        console.print(table)
        console.print()
