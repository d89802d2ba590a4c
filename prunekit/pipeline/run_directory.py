"""The directory of a run: claimed before anything is written, resumed after a kill, complete only at the end."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from prunekit._support.atomic import remove_abandoned, write_text
from prunekit._support.lock import FileLock
from prunekit.errors import PrunekitError
from prunekit.recipe import Recipe


def is_complete_run(path: Path) -> bool:
    """Whether the run in a directory is complete; a process that was killed at its very end may leave ``work/`` empty.

    Example: with ``recipe.yaml`` and ``work/recipe.yaml`` there are files left to tidy up, so it is not.
    """
    return (path / "recipe.yaml").is_file() and not (path / "work" / "recipe.yaml").exists()


class RunDirectory:
    """A run's output directory. While ``work/`` is in it, the run is unfinished and the same recipe may go on with it.

    One process works in it at a time: whoever claims it holds a lock until the block ``with directory.in_use():`` ends.
    Example: killed at step 700 of 1500, ``outputs/run`` holds ``work/recipe.yaml`` and a checkpoint; the same command
    goes on at the last checkpoint, any other recipe is refused.
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.path = Path(recipe.output)
        self.work = self.path / "work"
        self.log = self.path / "log.jsonl"
        self.lock = FileLock(self.work / "lock")
        self._unsaved: dict[str, float] = {}

    def check(self) -> None:
        """Raise `PrunekitError` unless the directory is new, empty, or holds this recipe's unfinished run.

        A directory in which another process works is refused too.
        """
        if self.path.is_file():
            raise PrunekitError(f"The output {str(self.path)!r} is a file; name a directory with --output.")
        self._refuse_another(self.lock.holder())
        if self._is_unused():
            return
        if not self._begun.exists() or self._is_complete:
            raise PrunekitError(
                f"The output directory {str(self.path)!r} is not empty and holds no unfinished run; "
                "choose another with --output, or remove it."
            )
        if not self._is_own:
            raise PrunekitError(
                f"The output directory {str(self.path)!r} holds the unfinished run of another recipe; "
                "give that recipe again, choose another directory with --output, or remove it."
            )

    @property
    def _begun(self) -> Path:
        """The recipe that was asked for; the one that repeats the complete run may differ."""
        return self.work / "recipe.yaml"

    @property
    def _is_own(self) -> bool:
        return self._begun.exists() and self._begun.read_text(encoding="utf-8") == self.recipe.dump()

    @property
    def _is_complete(self) -> bool:
        return (self.path / "recipe.yaml").exists()

    def _is_unused(self) -> bool:
        """Whether nothing is in the directory; a process that was killed while it claimed it may have been there."""
        names = [entry.name for entry in self.path.iterdir()] if self.path.is_dir() else []
        return not names or (names == ["work"] and not self._begun.exists())

    def _refuse_another(self, holder: str | None) -> None:
        if holder is not None:
            raise PrunekitError(
                f"The output directory {str(self.path)!r} is in use by {holder}; wait until that has ended, or choose "
                "another with --output."
            )

    def claim(self) -> None:
        """Claim the directory for this process; nothing is written before."""
        if self.lock.held:
            return
        self.check()
        self.work.mkdir(parents=True, exist_ok=True)
        if not self.lock.acquire():
            self._refuse_another(self.lock.holder() or "another process")
        try:
            self.check()
        except PrunekitError:  # another process was here meanwhile, and has ended its run
            self._give_up()
            raise
        write_text(self._begun, self.recipe.dump())
        self.log.touch()

    def _give_up(self) -> None:
        self.lock.release()
        with suppress(OSError):
            self.work.rmdir()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let other processes claim the directory after the block, however it ends."""
        try:
            yield
        finally:
            self.lock.release()

    def reclaim(self) -> None:
        """Claim the directory if it holds this recipe's unfinished run, before anything of it is read."""
        if self.work.exists():
            self.claim()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the wall seconds of a stage, over all the processes that worked on it."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._unsaved[name] = self._unsaved.get(name, 0.0) + time.perf_counter() - start
            if self.lock.held:
                write_text(self.work / "seconds.json", json.dumps(self.seconds()))
                self._unsaved.clear()

    def seconds(self) -> dict[str, float]:
        """Wall seconds per stage so far."""
        path = self.work / "seconds.json"
        saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return {name: saved.get(name, 0.0) + self._unsaved.get(name, 0.0) for name in {**saved, **self._unsaved}}

    def once(self, name: str, find: Callable[[], Any]) -> Any:
        """What the run finds once and keeps, as JSON, so that it is the same when the run is resumed.

        The directory is claimed once it is found.
        """
        path = self.work / f"{name}.json"
        if not path.exists():
            found = json.dumps(find())
            self.claim()
            write_text(path, found)
        return json.loads(path.read_text(encoding="utf-8"))

    def close(self, recipe: Recipe) -> None:
        """The run is complete: leave the recipe that repeats it, and forget how to resume."""
        write_text(self.path / "recipe.yaml", recipe.dump())
        self._forget()

    def _forget(self) -> None:
        """Remove ``work/``, the asked recipe last, so that a process that is killed meanwhile can `finish` it."""
        for entry in self.work.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry not in (self._begun, self.lock.path):
                entry.unlink()
        self.lock.release()
        shutil.rmtree(self.work, ignore_errors=True)

    def finish(self) -> bool:
        """Whether this recipe's run is complete, but for working files that a killed process left; they go now."""
        if not self._is_own or not self._is_complete:
            return False
        if not self.lock.acquire():
            self._refuse_another(self.lock.holder() or "another process")
        remove_abandoned(self.path)
        self._forget()
        return True
