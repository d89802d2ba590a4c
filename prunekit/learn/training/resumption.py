"""What an interrupted training goes on from: its last whole checkpoint, and log and caches as they were then."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from transformers import TrainerCallback

from prunekit._support.atomic import write_text
from prunekit._support.stopping import StopRequest
from prunekit.learn.training.budget import BudgetTracker

WHOLE = "whole.json"
"""In a checkpoint, written last: the sizes of its files, how long the log was, and which files the caches had."""

BEGUN = "begun.json"
"""Beside the checkpoints: how long the log was before the first step, and which files the caches had."""


class SavedCache(Protocol):
    """What is saved beside checkpoints: the rows of a cache."""

    def save(self) -> None:
        """Write what came since the last time."""


class CheckpointCallback(TrainerCallback):
    """Makes every checkpoint whole: seconds and caches beside it, then the list of its files; older ones go then.

    A training that is asked to stop saves a checkpoint after the step under way, and ends.
    """

    def __init__(self, budget: BudgetTracker, log: Path, caches: Sequence[SavedCache], stop: StopRequest):
        self.budget = budget
        self.log = log
        self.caches = caches
        self.stop = stop
        self.stopped = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """End with a checkpoint if the process is asked to stop; after the last step the result is written instead.

        transformers would go on from a checkpoint of the last step by one step more.
        """
        if state.global_step >= state.max_steps:
            control.should_save = False
        elif self.stop.asked:
            control.should_save = True
            control.should_training_stop = True
            self.stopped = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Finish the checkpoint that was just written."""
        self.budget.save()
        for cache in self.caches:
            cache.save()
        directory = Path(args.output_dir)
        current = directory / f"checkpoint-{state.global_step}"
        finish_checkpoint(current, self.log)
        remove_checkpoints(directory, keep=current)


def finish_checkpoint(checkpoint: Path, log: Path) -> None:
    """Write down which files a checkpoint has, how long the log is, and which files the caches have."""
    sizes = {file.name: file.stat().st_size for file in checkpoint.iterdir() if file.name != WHOLE}
    write_text(
        checkpoint / WHOLE, json.dumps({"files": sizes, "log": _length(log), "cached": _cached(checkpoint.parent)})
    )


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint has all files that it had when it was finished, at their sizes."""
    mark = checkpoint / WHOLE
    if not mark.exists():
        return False
    files = {file.name: file.stat().st_size for file in checkpoint.iterdir() if file.name != WHOLE}
    return bool(files == json.loads(mark.read_text(encoding="utf-8"))["files"])


def last_whole_checkpoint(directory: Path) -> Path | None:
    """The latest checkpoint in a training's directory that is whole; all others are removed."""
    whole = [checkpoint for checkpoint in directory.glob("checkpoint-*") if is_whole(checkpoint)]
    last = max(whole, key=lambda checkpoint: int(checkpoint.name.partition("-")[2]), default=None)
    remove_checkpoints(directory, keep=last)
    return last


def remove_checkpoints(directory: Path, keep: Path | None = None) -> None:
    """Remove a training's checkpoints, but for one."""
    for checkpoint in directory.glob("checkpoint-*"):
        if checkpoint != keep:
            shutil.rmtree(checkpoint)


def rewind(log: Path, directory: Path, checkpoint: Path | None) -> None:
    """Cut log and caches to what they were at a checkpoint, or before the training in `directory`, which notes that.

    A batch of which the caches know some rows is computed anew, all of it, and its last bits may differ from what they
    hold: a training that went on with rows of later steps would end with other weights.
    """
    mark = directory / BEGUN if checkpoint is None else checkpoint / WHOLE
    if not mark.exists():
        write_text(mark, json.dumps({"log": _length(log), "cached": _cached(directory)}))
    then = json.loads(mark.read_text(encoding="utf-8"))
    if _length(log) > then["log"]:
        os.truncate(log, then["log"])
    now = _cached(directory)
    for later in set(now) - set(then.get("cached", now)):
        (directory.parent / later).unlink()


def _cached(directory: Path) -> list[str]:
    """The files of a training's own caches and of the teacher's, which trainings share, by their paths beside it."""
    files = [*directory.glob("encoder-*/*.safetensors"), *directory.parent.glob("teacher/*/*.safetensors")]
    return sorted(str(file.relative_to(directory.parent)) for file in files)


def _length(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0
