"""Callbacks of a training: the log and the progress display, and the times of single steps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from prunekit._support.progress import Progress
from prunekit.learn.training.budget import clock


class LogCallback(TrainerCallback):
    """Appends every log entry to a file as a line of JSON, and updates the progress display.

    `on_line` is called after every line, for those who follow the log.
    """

    def __init__(self, path: Path, phase: str, progress: Progress | None, on_line: Callable[[], None] | None = None):
        self.path = path
        self.phase = phase
        self.progress = progress
        self.on_line = on_line

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Update the progress display."""
        if self.progress is not None and state.is_world_process_zero:
            latest = state.log_history[-1] if state.log_history else {}
            self.progress(self.phase, state.global_step, state.max_steps, latest)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Append one line."""
        if state.is_world_process_zero and logs:
            entry = {"phase": self.phase, "step": state.global_step, **logs}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            if self.on_line is not None:
                self.on_line()


class StepTimerCallback(TrainerCallback):
    """Reads the clock at the start of a training and after each of its steps."""

    def __init__(self, device: str):
        self.device = device
        self.times: list[float] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Read the clock at the start."""
        self.times.append(clock(self.device))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Read the clock after a step."""
        self.times.append(clock(self.device))

    def mean(self, start: int, end: int) -> float:
        """Mean seconds of the steps from number `start` to before `end`, at least 1e-6 for coarse clocks."""
        return max((self.times[end] - self.times[start]) / (end - start), 1e-6)
