"""Where commands print: results on stdout, everything else on stderr."""

import logging

from rich.console import Console
from rich.text import Text

OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False)


class StderrHandler(logging.Handler):
    """Shows the engine's log messages as dim lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        ERR.print(Text(f"{record.levelname.lower()}: {record.getMessage()}", style="dim"), soft_wrap=True)
