"""Readings on the dev rows in a training: its best weights are kept, and a training that gains nothing more ends."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel, TrainerCallback

from prunekit._support.atomic import write_text
from prunekit.learn.training.phase_checkpoint import load_phase, save_phase

LOSS = "eval_loss"
"""What the dev loss of a reading is called in the log."""

METRIC = "eval_metric"
"""What the headline metric of a reading is called in the log."""


@dataclass(frozen=True)
class DevMetric:
    """The task's headline metric on the dev rows, by `evaluate`. Example: a word error rate, where lower is better."""

    evaluate: Callable[[PreTrainedModel], float]
    higher_is_better: bool = True

    def read(self, model: PreTrainedModel) -> float:
        """What `model` scores; whatever a generation draws, the training draws on as if there had been none."""
        with torch.random.fork_rng():
            return self.evaluate(model)


class DevReadings(TrainerCallback):
    """Notes every reading on the dev rows, and keeps the weights of the best one in a training's directory.

    The best is the one of the lowest dev loss of `model`, or the best `metric` if there is one.

    With `patience` a training ends after so many readings without a new best. Example: readings of 0.9, 0.7, 0.8 and
    0.8 with a patience of 2 end the training at the fourth, and the weights of the second are kept. Readings that were
    made after the checkpoint that a training is resumed from are made again.
    """

    def __init__(
        self,
        model: nn.Module,
        directory: Path,
        keeps_best: bool,
        patience: int | None,
        metric: DevMetric | None = None,
    ):
        self.model = model
        self.metric = metric
        self.keeps_best = keeps_best
        self.patience = patience
        self.readings = directory / "readings.json"
        self.weights = directory / "best.safetensors"

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Forget the readings that lie ahead."""
        known = [reading for reading in self._known() if reading[0] <= state.global_step]
        write_text(self.readings, json.dumps(known))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The last step is followed by a reading, too."""
        if state.global_step >= state.max_steps:
            control.should_evaluate = True

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        """Note a reading; keep the weights if it is the best so far."""
        readings = [*self._known(), [state.global_step, metrics[METRIC if self.metric else LOSS]]]
        figures = [figure for _, figure in readings]
        highest = self.metric is not None and self.metric.higher_is_better
        best = figures.index(max(figures) if highest else min(figures))
        if self.keeps_best and best == len(figures) - 1:
            save_phase(self.model, self.weights)
        write_text(self.readings, json.dumps(readings))
        if self.patience is not None and len(figures) - 1 - best >= self.patience:
            control.should_training_stop = True
            control.should_save = False  # transformers would go on from that checkpoint, as if there were patience left

    def _known(self) -> list[list[Any]]:
        """Steps and what was read, in order."""
        return list(json.loads(self.readings.read_text(encoding="utf-8"))) if self.readings.exists() else []

    def load_best(self) -> None:
        """Give the model the weights of its best reading."""
        if self.weights.exists():
            load_phase(self.model, self.weights)

    @property
    def steps(self) -> int:
        """The step of the last reading, with which a training ends."""
        return int(self._known()[-1][0])

    def forget_weights(self) -> None:
        """Remove the weights, whose readings stay."""
        self.weights.unlink(missing_ok=True)
