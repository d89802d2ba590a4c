"""A lock on a file that names its holder; the operating system releases it when the process ends, however it ends."""

import errno
import json
import logging
import os
import socket
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no lock is taken there
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF}
"""Errors of file systems without locks."""

TRIES = 5
"""Another process that only asks who holds the lock has it for a moment."""

PAUSE = 0.02
"""Seconds between two tries."""


class FileLock:
    """An exclusive lock on a file, among all processes of a machine: `acquire`, `release`, and who the `holder` is.

    On network file systems it holds among machines where they share locks: NFS 4, NFS 3 with lockd, Lustre with the
    option flock. Where there are no locks at all, `acquire` warns and goes on. The file is written by its holder alone
    and removed by `release`. Example: while process 4711 works in ``outputs/run``, ``outputs/run/work/lock`` holds
    ``{"pid": 4711, "host": "gpu7", "since": "2026-05-04 09:30"}``.
    """

    def __init__(self, path: Path):
        self.path = path
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def acquire(self) -> bool:
        """Take the lock, and write down who has it; False if another process has it. The directory must exist."""
        for turn in range(TRIES):
            if turn:
                time.sleep(PAUSE)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            if _locked(file, self.path):
                self._file = file
                _sign(file)
                return True
            os.close(file)
        return False

    def release(self) -> None:
        """Remove the file and let go of the lock, if this object holds it."""
        if self._file is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def holder(self) -> str | None:
        """Who holds the lock if another does: ``process 4711 on gpu7 since 2026-05-04 09:30``; None if nobody does."""
        if self.held or not self.path.exists():
            return None
        file = os.open(self.path, os.O_RDWR)
        try:
            return None if _locked(file, self.path, shared=True) else _described(self.path)
        finally:
            os.close(file)


def _locked(file: int, path: Path, shared: bool = False) -> bool:
    """Lock an open file; False if another process has it, or has removed it from `path` since it was opened."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        log.warning("The file system of %s has no locks: let no other process work there meanwhile.", path.parent)
    return path.exists() and os.path.samestat(os.fstat(file), path.stat())


def _sign(file: int) -> None:
    """Write down which process has the lock, unless the disk is full: the lock holds without it."""
    since = datetime.now().strftime("%Y-%m-%d %H:%M")
    with suppress(OSError):
        os.truncate(file, 0)
        os.write(file, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode())


def _described(path: Path) -> str:
    """The holder, as it wrote itself down."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it has not yet written, or is removing it
        return "another process"
    return f"process {known['pid']} on {known['host']} since {known['since']}"
