"""Where commands print: results to stdout, all else to stderr."""

import logging

from rich.console import Console
from rich.text import Text

OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False)


class Notes(logging.Handler):
    """Shows what the engine logs as dim lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        ERR.print(Text(f"{record.levelname.lower()}: {record.getMessage()}", style="dim"), soft_wrap=True)
