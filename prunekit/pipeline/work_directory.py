"""The working directory of a command that writes one file: claimed by one process, and gone on with after a kill."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prunekit._support.atomic import write_text
from prunekit._support.lock import FileLock
from prunekit.errors import PrunekitError


class WorkDirectory:
    """The directory ``OUTPUT.work`` beside an output that is not written yet; `others` are written before the output.

    One process works in it at a time. Example: killed in the middle, ``labels.jsonl.work`` holds the answers so far;
    the same command goes on with them, another one is refused.
    """

    def __init__(self, output: Path, *others: Path):
        self.output = output
        self.outputs = (output, *others)
        self.path = output.with_name(f"{output.name}.work")
        self.lock = FileLock(self.path / "lock")

    @property
    def _note(self) -> Path:
        return self.path / "asked.txt"

    def check(self) -> None:
        """Raise `PrunekitError` for an output that exists, and was not written by work that a kill left unfinished."""
        there = next((path for path in self.outputs if path.exists()), None)
        if there is not None and not self._note.exists():
            raise PrunekitError(f"{str(there)!r} exists already; choose another --output, or remove it.")

    @contextmanager
    def in_use(self, asked: str) -> Iterator[None]:
        """Claim the directory for the block, which writes the outputs with what a killed process left.

        `asked` says what is worked on. The directory is removed once the block has ended well. Raises `PrunekitError`
        for one that another process works in, and for the unfinished work of another command.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.lock.acquire():
            holder = self.lock.holder() or "another process"
            raise PrunekitError(f"{str(self.output)!r} is being written by {holder}; wait until that has ended.")
        try:
            self.check()
            self._check_same(asked)
            if not self._note.exists():
                write_text(self._note, asked)
            yield
            self._remove()
        finally:
            self.lock.release()
            with suppress(OSError):
                self.path.rmdir()

    def _check_same(self, asked: str) -> None:
        """Raise `PrunekitError` where the directory holds other work."""
        known = self._note.read_text(encoding="utf-8") if self._note.exists() else None
        if known not in (None, asked):
            raise PrunekitError(
                f"{str(self.path)!r} holds the unfinished work of another command, or the model or the rows have "
                "changed since; give the same ones again, choose another --output, or remove that directory."
            )

    def _remove(self) -> None:
        """Remove everything in it, the note of what was asked last."""
        for entry in self.path.iterdir():
            if entry not in (self._note, self.lock.path):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self._note.unlink()
