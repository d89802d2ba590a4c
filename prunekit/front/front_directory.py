"""The directory of a front: one process works in it at a time, and what it found once is kept for the next one."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from prunekit._support.atomic import DRAFT, remove_abandoned, write_text
from prunekit._support.lock import FileLock
from prunekit.compare.sources import Sources
from prunekit.errors import PrunekitError
from prunekit.pipeline.run_directory import is_complete_run
from prunekit.recipe import Recipe


class FrontDirectory:
    """A front's output directory. The same recipe goes on with what is there, also after a kill; others are refused.

    ``front.yaml`` says what was asked for, ``figures/`` holds what was found once, and every step has a run directory
    of its own. Example: killed in its third step, ``outputs/front`` holds ``decoder-6`` and ``decoder-4``, which are
    not made again, and ``decoder-3``, which goes on at its last checkpoint.
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.path = Path(recipe.output)
        self.lock = FileLock(self.path / "lock")
        self.asked = self.path / "front.yaml"
        self.figures = self.path / "figures"
        self.dense_answers = self.path / "dense.jsonl"

    def check(self) -> None:
        """Raise `PrunekitError` unless the directory is new, empty, or holds this recipe's front, and is not in use."""
        if self.path.is_file():
            raise PrunekitError(f"The output {str(self.path)!r} is a file; name a directory with --output.")
        holder = self.lock.holder()
        if holder is not None:
            raise PrunekitError(
                f"The output directory {str(self.path)!r} is in use by {holder}; wait until that has ended, or choose "
                "another with --output."
            )
        if not self.asked.exists():
            if self._is_unused():
                return
            raise PrunekitError(
                f"The output directory {str(self.path)!r} is not empty and holds no front; choose another with "
                "--output, or remove it."
            )
        if not self._is_own():
            raise PrunekitError(
                f"The output directory {str(self.path)!r} holds the front of another recipe, model or data; give those "
                "again, choose another directory with --output, or remove it."
            )

    def _is_unused(self) -> bool:
        """Whether nothing is there but what a process that was killed while it claimed the directory may have left."""
        names = [entry.name for entry in self.path.iterdir()] if self.path.is_dir() else []
        return all(name == self.lock.path.name or name.endswith(DRAFT) for name in names)

    def _is_own(self) -> bool:
        try:
            data = yaml.safe_load(self.asked.read_text(encoding="utf-8"))
            sources = Sources.model_validate(data["sources"])
            return Recipe.parse(data["recipe"]) == self._placeless and sources.agrees(Sources.of(self.recipe, None))
        except (yaml.YAMLError, KeyError, TypeError, ValueError, PrunekitError):  # of another version of prunekit
            return False

    @property
    def _placeless(self) -> Recipe:
        """The recipe wherever it is written to, so that a front may be moved."""
        return Recipe.parse({**self.recipe.model_dump(mode="json"), "output": "."})

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Claim the directory for this process; others may after the block, however it ends."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.lock.acquire():
            self.check()
            raise PrunekitError(f"The output directory {str(self.path)!r} is in use by another process.")
        try:
            self.check()
            if not self.asked.exists():
                sources = Sources.of(self.recipe, None).model_dump()
                data = {"recipe": self._placeless.model_dump(mode="json"), "sources": sources}
                write_text(self.asked, yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
            yield
            for directory in filter(Path.is_dir, (self.path, self.figures)):
                remove_abandoned(directory)
        finally:
            self.lock.release()

    def once(self, name: str, find: Callable[[], Any]) -> Any:
        """What is found once and kept, as JSON, before it is used."""
        path = self.figures / f"{name}.json"
        if not path.exists():
            write_text(path, json.dumps(find(), indent=2) + "\n")
        return json.loads(path.read_text(encoding="utf-8"))

    def run_directory(self, name: str) -> Path:
        """Where a step's run is written."""
        return self.path / name

    def has_ended(self, name: str) -> bool:
        """Whether a step's run is complete."""
        return is_complete_run(self.run_directory(name))
