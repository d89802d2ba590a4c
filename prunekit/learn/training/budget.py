"""What learning costs: training examples and seconds, kept so that a killed run loses count of neither."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from prunekit._support.atomic import write_text
from prunekit.errors import PrunekitError


@dataclass(frozen=True)
class StepCounter:
    """How many examples training steps see. Example: 10 rows in batches of 4 are 4, 4 and 2 examples an epoch.

    `batch` counts the examples of a whole step, accumulation included; the last step of an epoch sees what is left.
    """

    rows: int
    batch: int

    @property
    def epoch(self) -> int:
        """Steps to see every row once."""
        return math.ceil(self.rows / self.batch)

    def examples(self, steps: int) -> int:
        """What this many steps see."""
        epochs, rest = divmod(steps, self.epoch)
        return epochs * self.rows + rest * self.batch

    def steps(self, examples: int) -> int:
        """The most steps that see no more than this many examples."""
        epochs, rest = divmod(examples, self.rows)
        return epochs * self.epoch + rest // self.batch


@dataclass(frozen=True)
class StepCost:
    """Seconds for a training step: `fresh` in the first `epoch` steps, `cached` once the teacher's answers are known.

    Example: ``Price(1.0, 0.4, 100)`` makes 200 steps for 140 seconds. Without a teacher both prices are the same.
    """

    fresh: float
    cached: float
    epoch: int

    def steps(self, seconds: float) -> int:
        """The most steps that take no longer, at least 1."""
        later = seconds - self.fresh * self.epoch
        steps = seconds / self.fresh if later <= 0 else self.epoch + later / self.cached
        return max(1, int(steps))


class BudgetTracker:
    """What learning and recovery have spent, over all the processes that worked on a run.

    `examples` are counted anew by every process, which goes through the same trainings; `seconds` are kept in a file,
    written whenever training saves a checkpoint. Example: killed at step 700 after a checkpoint at 500, the file holds
    the seconds of 500 steps, and the next process goes on from both.
    """

    def __init__(self, path: Path | None = None, device: str = "cpu", most: int | None = None):
        self.path, self.device, self.most = path, device, most
        self.examples = 0
        self._start: float | None = None
        known = json.loads(path.read_text(encoding="utf-8")) if path is not None and path.exists() else {}
        self._before = float(known.get("seconds", 0.0))

    @property
    def seconds(self) -> float:
        """CPU seconds of the process on a CPU, else wall seconds."""
        return self._before + (clock(self.device) - self._start if self._start is not None else 0.0)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the seconds inside the block."""
        self._start = clock(self.device)
        try:
            yield
        finally:
            self._before, self._start = self.seconds, None
            self.save()

    def charge(self, examples: int) -> None:
        """Count examples; raises `PrunekitError` where the recipe's budget does not allow for them."""
        self.examples += examples
        if self.most is not None and self.examples > self.most:
            raise PrunekitError(
                f"The strategy needs {self.examples:,} training examples before recovery, but budget.examples is "
                f"{self.most:,}; raise the budget, or lower the strategy's steps."
            )

    def save(self) -> None:
        """Write the seconds, if the run has begun to write at all."""
        if self.path is not None and self.path.parent.is_dir():
            write_text(self.path, json.dumps({"seconds": self.seconds}))


class BudgetCallback(TrainerCallback):
    """Saves the ledger with every checkpoint."""

    def __init__(self, ledger: BudgetTracker):
        self.ledger = ledger

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write what was spent up to here."""
        self.ledger.save()


def clock(device: str) -> float:
    """CPU seconds of this process for a CPU; elsewhere wall seconds once the device has finished."""
    if device == "cpu":
        return time.process_time()
    torch.accelerator.synchronize()
    return time.perf_counter()
