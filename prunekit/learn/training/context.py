"""What all trainings of a run share: data, settings, the directory to resume from, and who is informed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from prunekit._support.progress import Progress
from prunekit.data.encoded import EncodedDataset, collate_batches
from prunekit.data.processors import Collator, Processor
from prunekit.learn.training.budget import BudgetTracker, StepCounter
from prunekit.learn.training.encoder_cache import GIGABYTE
from prunekit.recipe import TrainingSection


def _do_nothing() -> None:
    pass


@dataclass(frozen=True)
class TrainingContext:
    """What every training of a run shares.

    `train` and `dev` are encoded by `processor`; losses of plans are measured on `dev`, in batches of `dev_batch`.
    Phases are resumed from `directory`; `claim` is called before anything is written there. `log` is a file of JSON
    lines, and `on_line` is called after each. `budget` counts what is spent.

    Example: 120,000 encoded words, settings of 64 words a batch, the directory ``outputs/demo/work``.
    """

    processor: Processor
    train: EncodedDataset
    dev: EncodedDataset
    training: TrainingSection
    directory: Path
    log: Path
    seed: int
    device: str
    dev_batch: int = 32
    progress: Progress | None = None
    claim: Callable[[], None] = _do_nothing
    budget: BudgetTracker = field(default_factory=BudgetTracker)
    on_line: Callable[[], None] = _do_nothing

    @property
    def encoder_cache_limit(self) -> int:
        """Bytes that the states of an unchanging encoder may take."""
        return int(self.training.encoder_cache * GIGABYTE)

    @property
    def step_counter(self) -> StepCounter:
        """How many examples a step sees."""
        return StepCounter(len(self.train), self.training.batch * self.training.accumulate)

    def dev_batches(self, model: PreTrainedModel) -> list[dict[str, Any]]:
        """The dev rows as batches on the model's device, rows of similar length together, the longest last."""
        order = reversed(self.dev.by_length())
        return list(collate_batches(self.dev, order, self.dev_batch, Collator(self.processor, model), model))

    def calibration_batches(self, model: PreTrainedModel, count: int) -> list[dict[str, Any]]:
        """The first training batches of a fixed shuffle, on the model's device: `count`, or as many as there are."""
        size = min(self.training.batch, len(self.train))
        order = torch.randperm(len(self.train), generator=torch.Generator().manual_seed(self.seed)).tolist()
        rows = order[: min(count, len(order) // size) * size]
        return list(collate_batches(self.train, rows, size, Collator(self.processor, model), model))
