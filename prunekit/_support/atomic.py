"""Atomic writes: a file or directory is written under a temporary name, then renamed into place."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prunekit._support.lock import FileLock
from prunekit.errors import PrunekitError

DRAFT = ".draft"
"""How the names of unfinished writes end; they begin with a dot and the name of what is written."""

LOCK = "lock"


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """A temporary path beside `target`, for a file or a directory; it replaces `target` if the block succeeds.

    If the block or the last rename raises, `target` is as it was and nothing else remains beside it. What a killed
    process left of an earlier write of `target` is removed first.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(target.parent, f"{target.name}.")
    lock = _begin(target)
    scratch = lock.path.parent
    try:
        draft = scratch / target.name
        yield draft
        _replace(target, draft, scratch / "old")
    finally:
        lock.release()
        shutil.rmtree(scratch, ignore_errors=True)


def _begin(target: Path) -> FileLock:
    """The lock in a new scratch directory; while it is held, no other process takes the directory for abandoned."""
    while True:
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=DRAFT, dir=target.parent))
        lock = FileLock(scratch / LOCK)
        try:
            if lock.acquire():
                return lock
        except FileNotFoundError:
            continue  # taken for abandoned before it was locked


def remove_abandoned(directory: Path, name: str = "") -> None:
    """Remove what killed processes left of writes in a directory: of the target `name`, or of all."""
    for entry in list(os.scandir(directory)):
        if entry.name.startswith(f".{name}") and entry.name.endswith(DRAFT):
            _remove_if_abandoned(Path(entry.path))


def _remove_if_abandoned(scratch: Path) -> None:
    """Remove a scratch directory whose process is gone. One without a lock is empty, or about to be used."""
    lock = FileLock(scratch / LOCK)
    with suppress(OSError):
        if not lock.path.exists():
            scratch.rmdir()
        elif lock.acquire():
            shutil.rmtree(scratch, ignore_errors=True)
            lock.release()


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
