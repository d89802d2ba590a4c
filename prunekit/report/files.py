"""Writes a report into a directory: `report.json` for programs, `report.html` for people."""

from pathlib import Path

from prunekit._support.atomic import write_text
from prunekit.errors import PrunekitError
from prunekit.report.html import report_html
from prunekit.report.report import Report
from prunekit.report.training_log import trainings


def write_report(report: Report, directory: Path | str) -> None:
    """Write `report.json` and `report.html` into `directory`, each whole or not at all.

    The page shows the curves of the `log.jsonl` in that directory. Raises `PrunekitError` where nothing can be written.
    """
    folder = Path(directory)
    texts = {"report.json": report.json_text(), "report.html": report_html(report, trainings(folder / "log.jsonl"))}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_text(folder / name, text)
    except OSError as error:
        raise PrunekitError(f"The report cannot be written into {str(folder)!r}: {error.strerror}.") from error
