"""The cost of learning: training examples and seconds, counted so that a killed run loses neither."""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from prunekit._support.atomic import write_text
from prunekit.errors import PrunekitError


@dataclass(frozen=True)
class StepCounter:
    """How many examples training steps see. Example: 10 rows in batches of 4 are 4, 4 and 2 examples an epoch.

    `batch` counts the examples of a whole step, accumulation included; the last step of an epoch sees the remainder.
    """

    rows: int
    batch: int

    @property
    def steps_per_epoch(self) -> int:
        """Steps to see every row once."""
        return math.ceil(self.rows / self.batch)

    def examples(self, steps: int) -> int:
        """The examples that this many steps see."""
        epochs, rest = divmod(steps, self.steps_per_epoch)
        return epochs * self.rows + rest * self.batch

    def steps(self, examples: int) -> int:
        """The largest number of steps that see at most this many examples."""
        epochs, rest = divmod(examples, self.rows)
        return epochs * self.steps_per_epoch + rest // self.batch


@dataclass(frozen=True)
class StepCost:
    """Seconds per training step: `fresh` in the first epoch, `cached` once the teacher's predictions are cached.

    Example: ``StepCost(1.0, 0.4, 100)`` makes 200 steps in 140 seconds. Without a teacher both costs are the same.
    """

    fresh: float
    cached: float
    steps_per_epoch: int

    def seconds(self, steps: int, done: int = 0) -> float:
        """How long so many steps take, if `done` steps before them have cached already what they saw."""
        first = min(steps, self._uncached(done))
        return self.fresh * first + self.cached * (steps - first)

    def steps(self, seconds: float, done: int = 0) -> int:
        """The largest number of steps that take at most this long, after `done` others; it may be 0."""
        first = self._uncached(done)
        later = seconds - self.fresh * first
        return max(0, int(seconds / self.fresh if later <= 0 else first + later / self.cached))

    def _uncached(self, done: int) -> int:
        """The steps of the first epoch that are left."""
        return max(0, self.steps_per_epoch - done)


class BudgetTracker:
    """What learning and recovery have spent, over all processes that worked on a run.

    `examples` are counted anew by every process, since it repeats the same trainings; `seconds` are kept in a file,
    written whenever training saves a checkpoint. Example: for a run killed at step 700 after a checkpoint at 500 the
    file holds the seconds of 500 steps, and the next process continues from both. `max_examples` is the limit. While
    `may_write` says no, because another process may work there, nothing is written.
    """

    def __init__(
        self,
        path: Path | None = None,
        device: str = "cpu",
        max_examples: int | None = None,
        may_write: Callable[[], bool] = lambda: True,
    ):
        self.path = path
        self.may_write = may_write
        self.device = device
        self.max_examples = max_examples
        self.examples = 0
        self._start: float | None = None
        saved = json.loads(path.read_text(encoding="utf-8")) if path is not None and path.exists() else {}
        self._before = float(saved.get("seconds", 0.0))

    @property
    def seconds(self) -> float:
        """CPU seconds of the process on a CPU, wall seconds on other devices."""
        running = clock(self.device) - self._start if self._start is not None else 0.0
        return self._before + running

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the seconds inside the block."""
        self._start = clock(self.device)
        try:
            yield
        finally:
            self._before = self.seconds
            self._start = None
            self.save()

    def charge(self, examples: int) -> None:
        """Count examples; raises `PrunekitError` if the budget does not allow for them."""
        self.examples += examples
        if self.max_examples is not None and self.examples > self.max_examples:
            raise PrunekitError(
                f"The strategy needs {self.examples:,} training examples before recovery, but budget.examples is "
                f"{self.max_examples:,}; raise the budget, or lower the strategy's steps."
            )

    def refund(self, examples: int) -> None:
        """Give back examples that were charged and not needed."""
        self.examples -= examples

    def save(self) -> None:
        """Write the seconds, if the directory of the file exists already and belongs to this process."""
        if self.path is not None and self.path.parent.is_dir() and self.may_write():
            write_text(self.path, json.dumps({"seconds": self.seconds}))


def clock(device: str) -> float:
    """CPU seconds of this process for a CPU; for other devices wall seconds after the device has finished its work."""
    if device == "cpu":
        return time.process_time()
    torch.accelerator.synchronize()
    return time.perf_counter()
