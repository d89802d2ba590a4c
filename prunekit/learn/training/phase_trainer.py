"""Runs the training phases of one live model; phases that a killed run finished are read, and others resumed."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset
from transformers import PreTrainedModel, Seq2SeqTrainingArguments, TrainerCallback
from transformers.trainer_utils import set_seed

from prunekit._support.restoring import restored_attributes
from prunekit._support.stopping import stop_when_saved
from prunekit.data.processors import Collator
from prunekit.find.groups import Kind, PruningGroup
from prunekit.learn.masking.gates import Gates
from prunekit.learn.masking.masks import Masks
from prunekit.learn.training.arguments import training_arguments
from prunekit.learn.training.cache_files import CacheFiles
from prunekit.learn.training.callbacks import LogCallback
from prunekit.learn.training.context import TrainingContext
from prunekit.learn.training.dev_readings import LOSS, METRIC, DevMetric, DevReadings
from prunekit.learn.training.distillation import Distillation
from prunekit.learn.training.dropout import dropout_at
from prunekit.learn.training.encoder_cache import EncoderCache
from prunekit.learn.training.loss import mean_loss
from prunekit.learn.training.phase import TrainingPhase
from prunekit.learn.training.phase_checkpoint import load_phase, save_phase
from prunekit.learn.training.resumption import (
    CheckpointCallback,
    SavedCache,
    last_whole_checkpoint,
    remove_checkpoints,
    rewind,
)
from prunekit.learn.training.stage_switch import StageSwitch
from prunekit.learn.training.teacher import Teacher
from prunekit.learn.training.trainer import PruningTrainer

GATES = "prunekit_gates"
"""The name of the gates among the model's modules while it trains: checkpoints, devices and processes include them."""


class PhaseTrainer:
    """Trains one live model, phase by phase, each resumable in a directory of its own.

    `groups` are all groups of the model, `metric` is what the best reading goes by if the recipe wants that. Example:
    the third call of `train` of a trainer named ``learn`` works in ``learn-3``. A run that was killed calls `train`
    again in the same order: the results of finished phases are read from their directories, and the unfinished one
    continues from its last checkpoint.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        groups: Sequence[PruningGroup],
        context: TrainingContext,
        teacher: Teacher | None = None,
        name: str = "learn",
        metric: DevMetric | None = None,
    ):
        self.model = model
        self.groups = tuple(groups)
        self.context = context
        self.teacher = teacher
        self.name = name
        self.metric = metric
        self._phases = 0

    def train(self, phase: TrainingPhase) -> int:
        """Train the model in place, and the gates with it if there are any; nothing happens for 0 steps.

        Returns the steps that were made, which readings may have ended early. Raises `PrunekitError` before the first
        step if the recipe's budget of examples does not allow for it.
        """
        if phase.steps == 0:
            return 0
        self._phases += 1
        context = self.context
        context.budget.charge(context.step_counter.examples(phase.steps))
        context.claim()
        directory = context.directory / f"{self.name}-{self._phases}"
        result = directory / "done.safetensors"
        readings = self._readings(phase, directory)
        with _inside(self.model, phase.gates):
            if result.exists():
                load_phase(self.model, result)
            else:
                self._train_or_resume(phase, directory, result, readings)
        steps = phase.steps if readings is None else readings.steps
        context.budget.refund(context.step_counter.examples(phase.steps - steps))
        set_seed(context.seed)  # as after a training, so whoever draws next draws the same
        return steps

    def _readings(self, phase: TrainingPhase, directory: Path) -> DevReadings | None:
        """What follows a phase's dev loss, if the recipe asks for it; gates are held at a target, not at the best."""
        training = self.context.training
        if training.read_every is None:
            return None
        free = phase.gates is None
        patience = training.patience if free else None
        return DevReadings(self.model, directory, training.keep_best and free, patience, self._metric_of(phase))

    def _metric_of(self, phase: TrainingPhase) -> DevMetric | None:
        """What is read beside the dev loss; nothing where no reading is the best one."""
        return self.metric if self.context.training.best_by == "metric" and phase.gates is None else None

    def _train_or_resume(
        self, phase: TrainingPhase, directory: Path, result: Path, readings: DevReadings | None
    ) -> None:
        """Train from the last whole checkpoint in the directory, or from the start, and write the result.

        Raises `Stopped`, with a checkpoint for the next process, if the process is asked to stop meanwhile.
        """
        context = self.context
        rate = phase.learning_rate or context.training.learning_rate
        arguments = training_arguments(context.training, directory, phase.steps, rate, context.seed, context.device)
        checkpoint = last_whole_checkpoint(directory)
        rewind(context.log, directory, checkpoint)
        switch = self._stage_switch(phase, directory)
        files = [switch, *self._teacher_files()]
        with stop_when_saved() as stop:
            saving = CheckpointCallback(context.budget, context.log, files, stop)
            logging = LogCallback(context.log, self.name, context.progress, context.on_line)
            callbacks = [logging, saving, *filter(None, [readings])]
            self.fit(phase, arguments, context.train, callbacks, checkpoint, switch)
            if not saving.stopped:
                for file in files:
                    file.save()
                if readings is not None:
                    readings.load_best()
                save_phase(self.model, result)
                remove_checkpoints(directory)
                if readings is not None:
                    readings.forget_weights()
            stop.obey()

    def _teacher_files(self) -> Iterator[SavedCache]:
        """The files of the teacher's caches, which all phases share."""
        if self.teacher is not None:
            shared = self.context.directory / "teacher"
            yield CacheFiles(self.teacher.cache, shared / "predictions")
            yield CacheFiles(self.teacher.cache.encoder_cache, shared / "encoder")

    def fit(
        self,
        phase: TrainingPhase,
        arguments: Seq2SeqTrainingArguments,
        dataset: Dataset[dict[str, Any]],
        callbacks: Sequence[TrainerCallback],
        checkpoint: Path | None = None,
        switch: StageSwitch | None = None,
    ) -> None:
        """Train on `dataset` by the trainer's own `arguments`, without a budget or result files; for measuring costs.

        Hooks, frozen weights, dropout rates, the config and the forward pass are as before afterwards, and the model is
        in evaluation mode: the next training begins as in a process of its own.
        """
        with ExitStack() as block:
            switch = block.enter_context(closing(switch or self._stage_switch(phase)))
            caches = [] if switch.cache is None else [switch.cache]
            if self.teacher is not None and phase.distillation.needs_teacher and not _compares_encoders(phase):
                caches.append(self.teacher.cache.encoder_cache)
                block.enter_context(caches[-1].of(_encoder_of(self.teacher.model)))
            block.enter_context(restored_attributes(self.model, self.model.config))
            masks = block.enter_context(Masks(self.model, self.groups)) if phase.gates is not None else None
            set_seed(self.context.seed)
            what = {"masks": masks, "encoder_caches": caches, "callbacks": [switch, *callbacks]}
            trainer = self._trainer(phase, arguments, train_dataset=dataset, stage_rate=switch.rate, **what)
            block.callback(trainer.release)
            block.enter_context(dropout_at(self.model, self.context.training.dropout))
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint is not None else None)
        self.model.train(False)

    def _trainer(self, phase: TrainingPhase, arguments: Seq2SeqTrainingArguments, **rest: Any) -> PruningTrainer:
        return PruningTrainer(
            self.model,
            arguments,
            self.context.training,
            phase.distillation,
            gates=phase.gates,
            teacher=self.teacher,
            student_layers=self._layer_paths(phase.distillation),
            eval_dataset=self.context.dev if arguments.eval_steps else None,
            read_dev=lambda: self._read_dev(phase),
            data_collator=Collator(self.context.processor, self.model),
            **rest,
        )

    def _read_dev(self, phase: TrainingPhase) -> dict[str, float]:
        """The loss per target token on the dev rows of the model as it is, and its metric there if that counts."""
        metric = self._metric_of(phase)
        scored = {} if metric is None else {METRIC: metric.read(self.model)}
        return {LOSS: mean_loss(self.model, self._dev_batches), **scored}

    @cached_property
    def _dev_batches(self) -> list[dict[str, Any]]:
        return self.context.dev_batches(self.model)

    def _stage_switch(self, phase: TrainingPhase, directory: Path | None = None) -> StageSwitch:
        """What freezes by the phase's stages; an encoder whose layers are compared must run, frozen or not."""
        cache = None if _compares_encoders(phase) else EncoderCache(self.context.encoder_cache_limit)
        return StageSwitch(self.model, phase.parts, cache, directory)

    def _layer_paths(self, distillation: Distillation) -> dict[str, list[str]]:
        """The paths of the live model's layers, for the stacks whose hidden states are compared."""
        stacks = {group.stack: group for group in self.groups if group.kind is Kind.LAYERS}
        compared = {stack: stacks[stack] for stack in distillation.hidden_weights}
        return {stack: [f"{group.path}.{n}" for n in range(len(group))] for stack, group in compared.items()}


def _compares_encoders(phase: TrainingPhase) -> bool:
    return "encoder" in phase.distillation.hidden_weights


def _encoder_of(model: Any) -> Any:
    return model.get_encoder()


@contextmanager
def _inside(model: PreTrainedModel, gates: Gates | None) -> Iterator[None]:
    """Make the gates a module of the model inside the block."""
    if gates is None:
        yield
        return
    model.add_module(GATES, gates)
    try:
        yield
    finally:
        delattr(model, GATES)
