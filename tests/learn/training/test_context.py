"""What trainings share: batches that hold every row once, in an order that the seed alone decides."""

import dataclasses

import torch

from prunekit.learn.training.budget import StepCounter


def indices(batches):
    return [batch["index"].tolist() for batch in batches]


def test_dev_batches_hold_every_row_once_the_longest_last(bench):
    context = bench.context
    batches = context.dev_batches(bench.model)
    rows = [row for batch in indices(batches) for row in batch]
    assert sorted(rows) == list(range(8))
    assert [len(batch) for batch in indices(batches)] == [3, 3, 2]
    lengths = [context.dev.lengths[row] for row in rows]
    assert lengths == sorted(lengths)


def test_calibration_batches_are_the_first_of_the_seeds_shuffle(bench):
    context = bench.context
    shuffled = torch.randperm(8, generator=torch.Generator().manual_seed(context.seed)).tolist()
    assert indices(context.calibration_batches(bench.model, 3)) == [shuffled[0:2], shuffled[2:4], shuffled[4:6]]
    assert len(context.calibration_batches(bench.model, 100)) == 4
    other = dataclasses.replace(context, seed=context.seed + 1)
    assert indices(other.calibration_batches(bench.model, 3)) != indices(context.calibration_batches(bench.model, 3))


def test_a_batch_larger_than_the_data_is_all_of_it(bench):
    training = bench.context.training.model_copy(update={"batch": 100})
    context = dataclasses.replace(bench.context, training=training)
    (batch,) = indices(context.calibration_batches(bench.model, 16))
    assert sorted(batch) == list(range(8))


def test_a_step_sees_the_batches_that_are_accumulated(bench):
    training = bench.context.training.model_copy(update={"accumulate": 3})
    assert dataclasses.replace(bench.context, training=training).step_counter == StepCounter(rows=8, batch=6)
