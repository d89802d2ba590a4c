"""The bench: what a strategy may do with the live model, in three verbs."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.trainer_utils import get_last_checkpoint, set_seed

from prunekit.find.units import PruningGroup
from prunekit.learn import importance
from prunekit.learn.distill import Distillation
from prunekit.learn.dropout import dropout_at
from prunekit.learn.gates import Gates
from prunekit.learn.importance import Criterion
from prunekit.learn.masks import Masks
from prunekit.learn.rows import Rows
from prunekit.learn.training import GATES, Collator, Journal, Progress, PruningTrainer, Teacher, arguments
from prunekit.recipe import TrainingSection

LABELS = Distillation(logits=0.0, encoder_hidden=0.0)
"""Learn from the labels alone."""


@dataclass(frozen=True)
class Surroundings:
    """What every training of a run shares: data, settings, the directory to resume from, and who listens."""

    tokenizer: Any
    rows: Rows
    section: TrainingSection
    directory: Path
    journal: Path
    seed: int
    device: str
    progress: Progress | None = None


class Bench:
    """The live model with its data: `scores` its units, `train` it in place, `evaluate` it on the dev set.

    Each call of `train` is a resumable phase with a number of its own: a run that was killed skips the phases that
    were finished and goes on from the last checkpoint of the one that was not.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        around: Surroundings,
        judge: Callable[[PreTrainedModel], float],
        teacher: Teacher | None = None,
        layers: Mapping[str, list[str]] | None = None,
        phase: str = "learn",
    ):
        self.model, self.around, self.judge, self.teacher = model, around, judge, teacher
        self.layers, self.phase = layers or {}, phase
        self._trainings = 0

    def scores(
        self, groups: Sequence[PruningGroup], by: Criterion = "magnitude", batches: int = 16
    ) -> dict[str, Tensor]:
        """One importance per unit and group; `first_order` looks at this many training batches."""
        if by == "magnitude":
            return importance.magnitude(self.model, groups)
        return importance.first_order(self.model, groups, self._batches(batches), _loss)

    def train(
        self,
        losses: Distillation = LABELS,
        gates: Gates | None = None,
        steps: int = 0,
        learning_rate: float | None = None,
    ) -> None:
        """Train the model in place, and the gates with it where there are any; nothing happens for 0 steps."""
        if steps == 0:
            return
        self._trainings += 1
        around = self.around
        place = around.directory / f"{self.phase}-{self._trainings}"
        done = place / "done.safetensors"
        if gates is not None:
            self.model.add_module(GATES, gates)
        try:
            if done.exists():
                _restore(self.model, done)
            else:
                self._fit(losses, gates, steps, learning_rate or around.section.learning_rate, place)
                _store(self.model, done)
        finally:
            if gates is not None:
                delattr(self.model, GATES)

    def evaluate(self) -> float:
        """The headline metric on the dev set."""
        return self.judge(self.model)

    def _fit(self, losses: Distillation, gates: Gates | None, steps: int, rate: float, place: Path) -> None:
        around = self.around
        masks = Masks(self.model, gates.groups) if gates is not None else None
        set_seed(around.seed)
        trainer = PruningTrainer(
            self.model,
            arguments(around.section, place, steps, rate, around.seed, around.device),
            around.section,
            losses,
            gates=gates,
            masks=masks,
            teacher=self.teacher,
            student_layers={stack: self.layers[stack] for stack in losses.hidden},
            train_dataset=around.rows,
            data_collator=Collator(around.tokenizer, self.model),
            callbacks=[Journal(around.journal, self.phase, around.progress)],
        )
        try:
            checkpoint = get_last_checkpoint(str(place)) if place.exists() else None  # type: ignore[no-untyped-call]
            with dropout_at(self.model, around.section.dropout):
                trainer.train(resume_from_checkpoint=checkpoint)
        finally:
            trainer.release()
            if masks is not None:
                masks.remove()
        self.model.train(False)
        for leftover in place.glob("checkpoint-*"):
            shutil.rmtree(leftover)

    def _batches(self, count: int) -> list[dict[str, Any]]:
        """The first batches of a fixed shuffle of the training rows."""
        around = self.around
        collate = Collator(around.tokenizer, self.model)
        size = min(around.section.batch, len(around.rows))
        order = torch.randperm(len(around.rows), generator=torch.Generator().manual_seed(around.seed)).tolist()
        starts = range(0, min(count * size, len(order) - size + 1), size)
        chosen = [[around.rows[i] for i in order[start : start + size]] for start in starts]
        return [{key: value.to(self.model.device) for key, value in collate(rows).items()} for rows in chosen]


def _loss(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
    loss: Tensor = model(**{key: value for key, value in batch.items() if key != "index"}, use_cache=False).loss
    return loss


def _store(model: nn.Module, path: Path) -> None:
    """Every parameter and buffer once, gates included, in one step."""
    seen: dict[int, str] = {}
    tensors = {}
    for name, tensor in model.state_dict().items():
        if tensor.numel() == 0 or seen.setdefault(tensor.data_ptr(), name) == name:
            tensors[name] = tensor.detach().cpu().contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    save_file(tensors, draft)
    draft.replace(path)


def _restore(model: nn.Module, path: Path) -> None:
    """What `_store` wrote, back into the same model; ties fill the names that were stored once."""
    model.load_state_dict(load_file(path), strict=False)
    model.train(False)
