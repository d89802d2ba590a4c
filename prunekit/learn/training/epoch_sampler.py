"""The order of the training rows in every epoch, the same for a training that is resumed in the middle of one."""

from collections.abc import Callable, Iterator, Sequence

import torch
from transformers import TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler

from prunekit.learn.training.budget import StepCounter


class EpochSampler(LengthGroupedSampler):
    """Batches of rows of similar length, shuffled by the seed and the number of the epoch, by nothing else.

    `step` tells how many steps are done, and so in which epoch the training is. Example: with 10 rows in batches of 4,
    steps 0, 1 and 2 belong to epoch 0; a training that is resumed at step 5 goes on in the order of epoch 1.
    """

    def __init__(self, lengths: Sequence[int], arguments: TrainingArguments, step: Callable[[], int]):
        batch = arguments.train_batch_size * arguments.gradient_accumulation_steps
        super().__init__(batch, lengths=list(lengths))
        self.seed = arguments.seed
        self.steps_per_epoch = StepCounter(len(lengths), batch).steps_per_epoch
        self.step = step

    def __iter__(self) -> Iterator[int]:
        epoch = self.step() // self.steps_per_epoch
        self.generator = torch.Generator().manual_seed(self.seed + 1_000_003 * epoch)
        order: Iterator[int] = super().__iter__()  # type: ignore[no-untyped-call]
        return order
