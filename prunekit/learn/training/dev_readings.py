"""Dev losses while a training runs: its best weights are kept, and a training that gains nothing any more ends."""

import json
from pathlib import Path
from typing import Any

from torch import nn
from transformers import TrainerCallback

from prunekit._support.atomic import write_text
from prunekit.learn.training.phase_checkpoint import load_phase, save_phase

LOSS = "eval_loss"
"""What a reading is called in the log."""


class DevReadings(TrainerCallback):
    """Notes every reading of the dev loss of `model`, and keeps the weights of the best one in a training's directory.

    With `patience` a training ends after so many readings without a new best. Example: readings of 0.9, 0.7, 0.8 and
    0.8 with a patience of 2 end the training at the fourth, and the weights of the second are kept. Readings that were
    made after the checkpoint that a training is resumed from are made again.
    """

    def __init__(self, model: nn.Module, directory: Path, keeps_best: bool, patience: int | None):
        self.model = model
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
        readings = [*self._known(), [state.global_step, metrics[LOSS]]]
        losses = [loss for _, loss in readings]
        best = losses.index(min(losses))
        if self.keeps_best and best == len(losses) - 1:
            save_phase(self.model, self.weights)
        write_text(self.readings, json.dumps(readings))
        if self.patience is not None and len(losses) - 1 - best >= self.patience:
            control.should_training_stop = True

    def _known(self) -> list[list[Any]]:
        """Steps and losses, in order."""
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
