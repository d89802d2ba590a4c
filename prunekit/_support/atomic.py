"""Atomic writes: a file or directory is written under a temporary name, then renamed into place."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prunekit.errors import PrunekitError


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """A temporary path beside `target`, for a file or a directory; it replaces `target` if the block succeeds.

    If the block or the last rename raises, `target` is as it was and nothing else remains beside it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        draft = scratch / target.name
        yield draft
        _replace(target, draft, scratch / "old")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _replace(target: Path, draft: Path, old: Path) -> None:
    """Rename `draft` to `target`; a directory cannot be overwritten, so it is first moved to `old`."""
    if target.is_dir():
        os.replace(target, old)
    try:
        os.replace(draft, target)
    except BaseException:
        if old.exists():
            os.replace(old, target)
        raise


def write_text(target: Path, text: str) -> None:
    """Write `text` to `target` in one step."""
    with atomic_write(target) as draft:
        draft.write_text(text, encoding="utf-8")


def insert_between(document: Path, name: str, text: str) -> None:
    """Put `text` between ``<!-- NAME -->`` and ``<!-- /NAME -->`` in a document, in place of what is there.

    Raises `PrunekitError` if the document cannot be read or lacks one of the two markers.
    """
    start = f"<!-- {name} -->"
    end = f"<!-- /{name} -->"
    try:
        content = document.read_text(encoding="utf-8")
    except OSError as error:
        raise PrunekitError(f"The document {str(document)!r} cannot be read: {error.strerror}.") from error
    before, opened, rest = content.partition(start)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise PrunekitError(f"{str(document)!r} has no place for the table; put {start} and {end} where it belongs.")
    write_text(document, f"{before}{start}\n{text.rstrip()}\n{end}{after}")
