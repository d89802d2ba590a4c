"""One training phase as data: what is learned, for how many steps, and which parts stay frozen."""

from collections.abc import Sequence
from dataclasses import dataclass

from prunekit.learn.masking.gates import Gates
from prunekit.learn.training.distillation import LABELS_ONLY, Distillation


@dataclass(frozen=True)
class TrainingStage:
    """A stretch of a training phase, in which some parts keep their weights and the rate is multiplied by `rate`.

    Example: ``TrainingStage(600, ("encoder",))`` and ``TrainingStage(200, rate=0.3)`` are 800 steps of one training,
    whose encoder learns in the last 200.
    """

    steps: int
    frozen: Sequence[str] = ()
    rate: float = 1.0


@dataclass(frozen=True)
class TrainingPhase:
    """One training of the live model. Example: 1,000 steps from labels and teacher, with the encoder frozen.

    `gates` are trained with the model, or held fixed. `learning_rate` is the recipe's where it is None. `frozen_stacks`
    name ``encoder``, ``decoder`` or ``embedding``; they keep their weights, which makes steps cheaper. With `stages`
    each stage says so itself, and `steps` is the sum of theirs; `in_stages` makes such a phase.
    """

    distillation: Distillation = LABELS_ONLY
    gates: Gates | None = None
    steps: int = 0
    learning_rate: float | None = None
    frozen_stacks: Sequence[str] = ()
    stages: Sequence[TrainingStage] = ()

    @classmethod
    def in_stages(
        cls, stages: Sequence[TrainingStage], distillation: Distillation, learning_rate: float | None = None
    ) -> "TrainingPhase":
        """One training of these stages, one after the other, under one schedule and with one optimizer."""
        steps = sum(stage.steps for stage in stages)
        return cls(distillation, steps=steps, learning_rate=learning_rate, stages=tuple(stages))

    @property
    def parts(self) -> tuple[TrainingStage, ...]:
        """The stages that have any steps; the whole phase as one where it has none."""
        own = tuple(stage for stage in self.stages if stage.steps)
        return own or (TrainingStage(self.steps, self.frozen_stacks),)


def stage_at(stages: Sequence[TrainingStage], step: int) -> int:
    """The number of the stage to which a step, counted from 0, belongs; the last one beyond their end."""
    end = 0
    for number, stage in enumerate(stages):
        end += stage.steps
        if step < end:
            return number
    return len(stages) - 1


def encoder_frozen_since(frozen: Sequence[Sequence[str]], number: int) -> int | None:
    """The first of the stages, up to this one, in all of which the encoder is frozen; None if it is not.

    `frozen` are the frozen parts of every stage. Example: for stage 2 of ``[("encoder",), (), ("encoder",)]`` it is 2.
    """
    first = None
    for back in range(number, -1, -1):
        if "encoder" not in frozen[back]:
            break
        first = back
    return first
