"""The bench: what a strategy may do with the live model, in a few verbs."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint, set_seed

from prunekit._support.progress import Progress
from prunekit.data.encoded import EncodedDataset, collate_batches
from prunekit.data.processors import Collator, Processor
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.learn.masking.fold import fold
from prunekit.learn.masking.gates import Gates
from prunekit.learn.masking.masks import Masks, masked
from prunekit.learn.selection import importance
from prunekit.learn.selection.importance import Criterion
from prunekit.learn.selection.reconstruction import Reconstruction, reconstruction
from prunekit.learn.training.budget import BudgetCallback, BudgetTracker, StepCounter
from prunekit.learn.training.distillation import Distillation
from prunekit.learn.training.dropout import dropout_at
from prunekit.learn.training.encoder_cache import LIMIT, EncoderCache
from prunekit.learn.training.freezing import frozen_parts
from prunekit.learn.training.layer_skip import LayerSkip
from prunekit.learn.training.loss import loss_of, mean_loss
from prunekit.learn.training.phase_checkpoint import load_phase, save_phase
from prunekit.learn.training.trainer import GATES, LogCallback, PruningTrainer, Teacher, training_arguments
from prunekit.recipe import TrainingSection

LABELS = Distillation(logits=0.0, encoder_hidden=0.0)
"""Learn from the labels alone."""


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class TrainingContext:
    """What every training of a run shares: data, settings, the directory to resume from, and who listens.

    `claim` is called before anything is written to `directory`; `budget` counts what is spent. `dev` are the rows that
    losses are measured on, `dev_batch` at a time; `encoder_cache_limit` is in bytes.
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
    claim: Callable[[], None] = _nothing
    budget: BudgetTracker = field(default_factory=BudgetTracker)
    encoder_cache_limit: int = LIMIT

    @property
    def step_counter(self) -> StepCounter:
        """How many examples a step sees."""
        return StepCounter(len(self.train), self.training.batch * self.training.accumulate)


class Bench:
    """The live model with its data: `scores` its units, `train` it in place, `loss` of a plan, `evaluate` on dev.

    `groups` are all groups of the live model. Each call of `train` is a resumable phase with a number of its own: a run
    that was killed skips the phases that were finished and goes on from the last checkpoint of the one that was not.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        context: TrainingContext,
        evaluate: Callable[[PreTrainedModel], float],
        groups: Sequence[PruningGroup],
        teacher: Teacher | None = None,
        phase: str = "learn",
    ):
        self.model, self.context, self.evaluate_model, self.teacher = model, context, evaluate, teacher
        self.groups, self.phase = tuple(groups), phase
        self._trainings = 0

    def scores(
        self, groups: Sequence[PruningGroup], by: Criterion = "magnitude", batches: int = 16
    ) -> dict[str, Tensor]:
        """One importance per unit and group; `first_order` looks at this many training batches."""
        if by == "magnitude":
            return importance.magnitude(self.model, groups, self.groups)
        chosen = self._batches(batches)
        self.context.budget.charge(sum(len(batch["labels"]) for batch in chosen))
        return importance.first_order(self.model, groups, chosen, loss_of, self.groups)

    def reconstruction(self, groups: Sequence[PruningGroup], batches: int = 16) -> Reconstruction:
        """How heads and FFN channels depend on each other on this many training batches: scores, and a refit."""
        chosen = self._batches(batches)
        self.context.budget.charge(sum(len(batch["labels"]) for batch in chosen))
        return reconstruction(self.model, groups, chosen)

    def loss(self, plan: PruningPlan) -> float:
        """The mean loss per target token on the first dev rows, as `plan` would leave the live model; nothing is cut.

        Teacher-forced and without dropout, so that plans can be compared before any training. Natural logarithms.
        """
        return self.losses([plan])[0]

    def losses(self, plans: Iterable[PruningPlan]) -> list[float]:
        """`loss` of every plan, for less: dropped layers don't run, nor does an encoder that all plans leave alone."""
        asked, skip, cache = list(plans), LayerSkip(), EncoderCache(self.context.encoder_cache_limit)
        touched = {group.stack for plan in asked for group in self.groups if len(plan.of(group)) < len(group)}
        alone = touched <= {"decoder"}

        def batches() -> Iterator[dict[str, Any]]:
            for batch in self._dev:
                cache.rows = batch["index"].tolist() if alone else None
                yield batch

        found = []
        with skip.of(self.model, self.groups), cache.of(cast(Any, self.model).get_encoder()):
            for plan in asked:
                skip.choose(self.groups, plan)
                with masked(self.model, self.groups, plan):
                    found.append(mean_loss(self.model, batches()))
        return found

    def fold(self, values: Mapping[str, Tensor]) -> None:
        """Multiply heads and FFN channels of the live model by keep-values per group, in its weights, for good."""
        fold(self.model, self.groups, values)

    def train(
        self,
        losses: Distillation = LABELS,
        gates: Gates | None = None,
        steps: int = 0,
        learning_rate: float | None = None,
        frozen_stacks: Sequence[str] = (),
    ) -> None:
        """Train the model in place, and the gates with it where there are any; nothing happens for 0 steps.

        `frozen_stacks` ("encoder", "decoder") only run meanwhile, which makes steps cheaper. Raises `PrunekitError`
        before the first step where the recipe's budget of examples does not reach.
        """
        if steps == 0:
            return
        self._trainings += 1
        context = self.context
        context.budget.charge(context.step_counter.examples(steps))
        context.claim()
        place = context.directory / f"{self.phase}-{self._trainings}"
        done = place / "done.safetensors"
        if gates is not None:
            self.model.add_module(GATES, gates)
        try:
            if done.exists():
                load_phase(self.model, done)
            else:
                self._fit(losses, gates, steps, learning_rate or context.training.learning_rate, place, frozen_stacks)
                save_phase(self.model, done)
        finally:
            if gates is not None:
                delattr(self.model, GATES)

    def evaluate(self) -> float:
        """The headline metric on the dev set."""
        return self.evaluate_model(self.model)

    def _fit(
        self, losses: Distillation, gates: Gates | None, steps: int, rate: float, place: Path, still: Sequence[str]
    ) -> None:
        context = self.context
        args = training_arguments(context.training, place, steps, rate, context.seed, context.device)
        listeners = [LogCallback(context.log, self.phase, context.progress), BudgetCallback(context.budget)]
        checkpoint = get_last_checkpoint(str(place)) if place.exists() else None  # type: ignore[no-untyped-call]
        self.fit(losses, gates, args, context.train, listeners, checkpoint, still)
        for leftover in place.glob("checkpoint-*"):
            shutil.rmtree(leftover)

    def fit(
        self,
        losses: Distillation,
        gates: Gates | None,
        args: Any,
        rows: Any,
        listeners: Sequence[TrainerCallback],
        checkpoint: str | None = None,
        frozen_stacks: Sequence[str] = (),
    ) -> None:
        """One training by the trainer's own arguments, for the engine; strategies call `train`."""
        context = self.context
        encoder_caches = self._encoder_caches(losses, frozen_stacks)
        masks = Masks(self.model, self.groups) if gates is not None else None
        set_seed(context.seed)
        trainer = PruningTrainer(
            self.model,
            args,
            context.training,
            losses,
            gates=gates,
            masks=masks,
            teacher=self.teacher,
            student_layers={stack: self._layers[stack] for stack in losses.hidden},
            train_dataset=rows,
            data_collator=Collator(context.processor, self.model),
            encoder_caches=list(encoder_caches.values()),
            callbacks=list(listeners),
        )
        try:
            with ExitStack() as block:
                block.enter_context(frozen_parts(self.model, frozen_stacks))
                block.enter_context(dropout_at(self.model, context.training.dropout))
                for whole, cache in encoder_caches.items():
                    block.enter_context(cache.of(cast(Any, whole).get_encoder()))
                trainer.train(resume_from_checkpoint=checkpoint)
        finally:
            trainer.release()
            if masks is not None:
                masks.remove()
        self.model.train(False)

    def _encoder_caches(
        self, losses: Distillation, frozen_stacks: Sequence[str]
    ) -> dict[PreTrainedModel, EncoderCache]:
        """Of the models whose encoders give the same each time: one that is frozen, and the teacher's."""
        found = {}
        if "encoder" in frozen_stacks and "encoder" not in losses.hidden:
            found[self.model] = EncoderCache(self.context.encoder_cache_limit)
        if self.teacher is not None and losses.needs_teacher and "encoder" not in losses.hidden:
            found[self.teacher.model] = self.teacher.cache.states
        return found

    @property
    def _layers(self) -> dict[str, list[str]]:
        """The paths of each stack's layers in the live model."""
        stacks = (group for group in self.groups if group.kind is Kind.LAYERS)
        return {group.stack: [f"{group.path}.{n}" for n in range(len(group))] for group in stacks}

    @cached_property
    def _dev(self) -> list[dict[str, Any]]:
        """The dev rows, those of like length together."""
        context, rows = self.context, self.context.dev
        collate = Collator(context.processor, self.model)
        return list(collate_batches(rows, reversed(rows.by_length()), context.dev_batch, collate, self.model))

    def _batches(self, count: int) -> list[dict[str, Any]]:
        """The first batches of a fixed shuffle of the training rows."""
        context = self.context
        size = min(context.training.batch, len(context.train))
        order = torch.randperm(len(context.train), generator=torch.Generator().manual_seed(context.seed)).tolist()
        whole = min(count, len(order) // size) * size
        collate = Collator(context.processor, self.model)
        return list(collate_batches(context.train, order[:whole], size, collate, self.model))
