"""The directory of a run: claimed before anything is written, resumed after a kill, complete only at the end."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prunekit._support.atomic import write_text
from prunekit.errors import PrunekitError
from prunekit.recipe import Recipe


class RunDirectory:
    """A run's output directory. While ``work/`` is in it, the run is unfinished and the same recipe may go on with it.

    Example: killed at step 700 of 1500, ``outputs/run`` holds ``work/recipe.yaml`` and a checkpoint; the same command
    goes on at the last checkpoint, any other recipe is refused.
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.path = Path(recipe.output)
        self.work = self.path / "work"
        self.log = self.path / "log.jsonl"

    def check(self) -> None:
        """Raise `PrunekitError` unless the directory is new, empty, or holds this recipe's unfinished run."""
        if self.path.is_file():
            raise PrunekitError(f"The output {str(self.path)!r} is a file; name a directory with --output.")
        if not self.path.is_dir() or not any(self.path.iterdir()):
            return
        begun = self.work / "recipe.yaml"
        if not begun.exists():
            raise PrunekitError(
                f"The output directory {str(self.path)!r} is not empty and holds no unfinished run; "
                "choose another with --output, or remove it."
            )
        if begun.read_text(encoding="utf-8") != self.recipe.dump():
            raise PrunekitError(
                f"The output directory {str(self.path)!r} holds the unfinished run of another recipe; "
                "give that recipe again, choose another directory with --output, or remove it."
            )

    def claim(self) -> None:
        """Claim the directory."""
        self.check()
        self.work.mkdir(parents=True, exist_ok=True)
        write_text(self.work / "recipe.yaml", self.recipe.dump())
        self.log.touch()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the wall seconds of a stage, over all the processes that worked on it."""
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = self.seconds()
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start
            if self.work.is_dir():
                write_text(self.work / "seconds.json", json.dumps(seconds))
            self._seconds = seconds

    def seconds(self) -> dict[str, float]:
        """Wall seconds per stage so far."""
        path = self.work / "seconds.json"
        if path.exists():
            return dict(json.loads(path.read_text(encoding="utf-8")))
        return dict(getattr(self, "_seconds", {}))

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
        shutil.rmtree(self.work)
