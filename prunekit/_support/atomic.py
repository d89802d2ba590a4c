"""Writing so that a failure loses nothing: under a temporary name first, then renamed into place."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prunekit.errors import PrunekitError


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """A temporary path beside `target`, for a file or a directory; it takes `target`'s place if the block succeeds."""
    target.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        draft = workshop / target.name
        yield draft
        old = workshop / "old"
        if target.is_dir():
            os.replace(target, old)
        try:
            os.replace(draft, target)
        except BaseException:
            if old.exists():
                os.replace(old, target)
            raise
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def write_text(target: Path, text: str) -> None:
    """Write `text` to `target` in one step."""
    with atomic_write(target) as draft:
        draft.write_text(text, encoding="utf-8")


def insert_between(document: Path, name: str, text: str) -> None:
    """Put `text` between ``<!-- NAME -->`` and ``<!-- /NAME -->`` in a document.

    What stands between the two is replaced, all else stays. Raises `PrunekitError` where they are missing.
    """
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    try:
        whole = document.read_text(encoding="utf-8")
    except OSError as error:
        raise PrunekitError(f"The document {str(document)!r} cannot be read: {error.strerror}.") from error
    before, found, rest = whole.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise PrunekitError(f"{str(document)!r} has no place for the table; put {start} and {end} where it belongs.")
    write_text(document, f"{before}{start}\n{text.rstrip()}\n{end}{after}")
