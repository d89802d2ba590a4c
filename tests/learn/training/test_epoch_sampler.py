"""The order of an epoch depends on the seed and the epoch, not on what else drew random numbers."""

from types import SimpleNamespace

import torch

from prunekit.learn.training.epoch_sampler import EpochSampler

LENGTHS = [1 + n * 7 % 20 for n in range(50)]


def order(step, seed=0):
    arguments = SimpleNamespace(train_batch_size=2, gradient_accumulation_steps=2, seed=seed)
    torch.rand(step + 1)
    return list(EpochSampler(LENGTHS, arguments, lambda: step))


def test_a_training_that_is_resumed_in_an_epoch_has_its_order():
    first = order(0)
    assert sorted(first) == list(range(50))
    assert order(12) == first, "50 rows in steps of 4 are 13 steps"
    assert order(13) == order(25) != first
    assert order(0, seed=1) != first


def test_rows_of_like_length_stand_together():
    batches = [order(0)[start : start + 4] for start in range(4, 48, 4)]
    spread = [max(LENGTHS[row] for row in batch) - min(LENGTHS[row] for row in batch) for batch in batches]
    assert sum(spread) / len(spread) < 8  # of four rows in random order about 12
