"""Spending: steps and examples against a trainer acted out, prices against steps bought one at a time."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunekit.errors import PrunekitError
from prunekit.learn.training.budget import BudgetTracker, StepCost, StepCounter


def acted_out(rows, batch):
    """The examples of one step after the other, epoch after epoch."""
    while True:
        left = rows
        while left:
            yield min(batch, left)
            left -= min(batch, left)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 120))
def test_examples_are_what_the_steps_see(rows, batch, steps):
    sizes = acted_out(rows, batch)
    assert StepCounter(rows, batch).examples(steps) == sum(next(sizes) for _ in range(steps))


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 400))
def test_steps_are_the_most_that_stay_within(rows, batch, examples):
    pace, steps, seen = StepCounter(rows, batch), 0, 0
    for size in acted_out(rows, batch):
        if seen + size > examples:
            break
        seen, steps = seen + size, steps + 1
    assert pace.steps(examples) == steps


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 30), st.integers(0, 40), st.integers(0, 200))
def test_a_price_buys_fresh_steps_before_cached_ones(fresh, cached, epoch, done, seconds):
    steps, left = 0, seconds
    while left >= (fresh if done + steps < epoch else cached):
        left, steps = left - (fresh if done + steps < epoch else cached), steps + 1
    cost = StepCost(fresh, cached, epoch)
    assert cost.steps(seconds, done) == steps
    assert cost.seconds(steps, done) == seconds - left


def work():
    return sum(n * n for n in range(300_000))


def test_the_budget_goes_on_where_another_process_left_it(tmp_path):
    (tmp_path / "spent.json").write_text('{"seconds": 100.0}')
    tracker = BudgetTracker(tmp_path / "spent.json")
    assert tracker.seconds == 100.0
    with tracker.running():
        work()
        tracker.save()
        between = json.loads((tmp_path / "spent.json").read_text())["seconds"]
        work()
    assert 100.0 < between < tracker.seconds
    after = tracker.seconds
    work()
    assert tracker.seconds == after == BudgetTracker(tmp_path / "spent.json").seconds


def test_nothing_is_written_before_the_run_has_a_place(tmp_path):
    with BudgetTracker(tmp_path / "work/spent.json").running():
        work()
    assert not list(tmp_path.iterdir())


def test_the_budget_refuses_what_the_budget_does_not_allow():
    tracker = BudgetTracker(max_examples=10)
    tracker.charge(4)
    tracker.charge(6)
    with pytest.raises(PrunekitError, match=r"11 training examples.*budget\.examples is 10"):
        tracker.charge(1)
