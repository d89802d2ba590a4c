"""Freezes and thaws parts of a model where the stages of a training begin, and remembers what a frozen encoder says."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from prunekit.learn.training.cache_files import CacheFiles
from prunekit.learn.training.encoder_cache import GIGABYTE, EncoderCache
from prunekit.learn.training.freezing import frozen_parts
from prunekit.learn.training.phase import TrainingStage, encoder_frozen_since, stage_at

log = logging.getLogger(__name__)


class StageSwitch(TrainerCallback):
    """Holds frozen, before every step, what the step's stage freezes; the optimizer and its state know nothing of it.

    Weights without gradients are skipped by optimizers, so a weight that trains again goes on with the state that it
    had. `cache` holds the outputs of the encoder while that is frozen, in files below `directory` if there is one; None
    lets it run. Example: of 600 steps with the encoder frozen and 200 without, steps 0 to 599 are answered from the
    cache after their first epoch; a process that resumes at step 700 thaws the encoder at once.
    """

    def __init__(
        self,
        model: Any,
        stages: Sequence[TrainingStage],
        cache: EncoderCache | None = None,
        directory: Path | None = None,
    ):
        self.model = model
        self.stages = tuple(stages)
        self.cache = cache
        self.directory = directory
        self._number: int | None = None
        self._remembered: int | None = None
        self._files: CacheFiles | None = None
        self._told = False
        self._block = ExitStack()

    def rate(self, step: int) -> float:
        """By what the learning rate is multiplied at a step counted from 0."""
        return self.stages[stage_at(self.stages, step)].rate

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Enter the first stage, or the one in which a checkpoint was written."""
        self._enter(stage_at(self.stages, state.global_step))

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Enter the next stage where one ends."""
        self._enter(stage_at(self.stages, state.global_step))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell once that no more states fit."""
        cache = self.cache
        if self.directory is not None and cache is not None and cache.limit and cache.is_full and not self._told:
            self._told = True
            log.warning(
                "The encoder's states of %s training rows fill the %g GB of training.encoder_cache; every batch with "
                "another row is encoded again. Raise it if the memory allows.",
                f"{len(cache.states):,}",
                cache.limit / GIGABYTE,
            )

    def _enter(self, number: int) -> None:
        if number == self._number:
            return
        self.close()
        self._number = number
        self._block.enter_context(frozen_parts(self.model, self.stages[number].frozen))
        if self.cache is not None:
            self._remember(self.cache, encoder_frozen_since([stage.frozen for stage in self.stages], number))

    def _remember(self, cache: EncoderCache, since: int | None) -> None:
        """Answer from the states of the encoder as it is frozen `since` a stage; forget those of another one."""
        if since != self._remembered:
            cache.clear()
            self._files = None
        self._remembered = since
        if since is None:
            return
        if self._files is None and self.directory is not None:
            self._files = CacheFiles(cache, self.directory / f"encoder-{since + 1}")
        self._block.enter_context(cache.of(self.model.get_encoder()))

    def save(self) -> None:
        """Write the states that came since the last time, for a process that resumes in this stage."""
        if self._files is not None:
            self._files.save()

    def close(self) -> None:
        """Thaw everything."""
        self._block.close()
        self._number = None
