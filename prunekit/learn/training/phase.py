"""One training phase as data: what is learned, for how many steps, and which parts stay frozen."""

from collections.abc import Sequence
from dataclasses import dataclass

from prunekit.learn.masking.gates import Gates
from prunekit.learn.training.distillation import LABELS_ONLY, Distillation


@dataclass(frozen=True)
class TrainingPhase:
    """One training of the live model. Example: 1,000 steps from labels and teacher, with the encoder frozen.

    `gates` are trained with the model, or held fixed. `learning_rate` is the recipe's where it is None. `frozen_stacks`
    name ``encoder``, ``decoder`` or ``embedding``; they keep their weights, which makes steps cheaper.
    """

    distillation: Distillation = LABELS_ONLY
    gates: Gates | None = None
    steps: int = 0
    learning_rate: float | None = None
    frozen_stacks: Sequence[str] = ()
