"""The steps: how deep, how narrow, and how much of the budget is each one's."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunekit import PrunekitError
from prunekit.front.steps import (
    budget_shares,
    checked_depths,
    default_depths,
    front_steps,
    narrowed_from,
    portions,
    step_budget,
)
from prunekit.recipe import BudgetSection
from prunekit.report.sections import SpentSection

DEPTHS = {12: [6, 4, 3, 2, 1], 24: [12, 6, 4, 3, 2, 1], 32: [16, 8, 4, 3, 2, 1], 6: [4, 3, 2, 1], 3: [2, 1], 2: [1]}


@pytest.mark.parametrize("layers", DEPTHS)
def test_the_decoder_is_halved_to_four_then_loses_one_at_a_time(layers):
    assert default_depths(layers) == DEPTHS[layers]


@given(st.integers(2, 200))
def test_every_step_removes_something_and_the_last_keeps_one_layer(layers):
    depths = [layers, *default_depths(layers)]
    assert depths[-1] == 1
    assert all(later < earlier <= 2 * later or earlier <= 5 for earlier, later in pairwise(depths))


def test_depths_that_are_asked_for_come_in_order_and_once():
    assert checked_depths([2, 6, 2], 12) == [6, 2]
    assert checked_depths([], 3) == [2, 1]


@pytest.mark.parametrize(
    ("asked", "layers", "why"),
    [([12, 6], 12, "keep 12 decoder layers, but there are 12"), ([0], 3, "from 1 to 2"), ([], 1, "a single layer")],
)
def test_impossible_depths_are_refused(asked, layers, why):
    with pytest.raises(PrunekitError, match=why):
        checked_depths(asked, layers)


def test_a_step_gets_more_the_more_layers_are_gone():
    assert budget_shares([6, 3], 12) == pytest.approx([0.4, 0.6])
    shares = budget_shares([6, 4, 3, 2, 1], 12)
    assert shares == sorted(shares)
    assert sum(shares) == pytest.approx(1)


@given(st.integers(0, 10**7), st.lists(st.floats(0.01, 1), min_size=1, max_size=9))
def test_portions_add_up_and_are_off_by_less_than_one(total, weights):
    shares = [weight / sum(weights) for weight in weights]
    parts = portions(total, shares)
    assert sum(parts) == total
    assert all(abs(part - total * share) < 1.001 for part, share in zip(parts, shares, strict=True))


def test_steps_of_recovery_are_divided():
    first, second = front_steps([6, 3], 12, [0.0, 0.3], 10)
    assert (first.recovery_steps, second.recovery_steps) == (4, 6)
    assert (first.name, second.name) == ("decoder-6", "decoder-3")
    assert (first.share, second.share) == pytest.approx((0.4, 0.6))
    assert (first.encoder_sparsity, second.encoder_sparsity) == (0.0, 0.3)


def test_what_is_left_is_divided_among_the_steps_that_follow():
    whole = BudgetSection(examples=1000, cpu_seconds=300)
    first = step_budget(whole, [0.2, 0.2, 0.6], SpentSection())
    assert (first.examples, first.cpu_seconds) == pytest.approx((200, 60))
    overdrawn = step_budget(whole, [0.2, 0.6], SpentSection(examples=160, cpu_seconds=100))
    assert (overdrawn.examples, overdrawn.cpu_seconds) == pytest.approx((210, 50))
    last = step_budget(whole, [0.6], SpentSection(examples=370, cpu_seconds=150))
    assert (last.examples, last.cpu_seconds) == (630, 150)
    nothing = step_budget(whole, [0.6], SpentSection(examples=1000, cpu_seconds=301))
    assert (nothing.examples, nothing.cpu_seconds) == (1, 1.0)
    assert not step_budget(BudgetSection(), [1.0], SpentSection()).limited


def test_the_encoder_is_narrowed_from_the_step_on_at_which_that_buys_speed():
    """An encoder of 1 s of which 10% are removed, and decoder layers of 1 s each."""

    def speedup(depth, sparsity):
        return 13 / (1 - sparsity + depth)

    # 1.02 times as fast from (1 + d) / (0.9 + d) >= 1.02 on: at 4 layers exactly
    assert narrowed_from([6, 5, 3, 1], 0.1, speedup) == [0.0, 0.0, 0.1, 0.1]
    noisy = {(6, 0.1): 1.5, (6, 0.0): 1.0, (3, 0.1): 1.0, (3, 0.0): 1.0}
    assert narrowed_from([6, 3], 0.1, lambda *shape: noisy[shape]) == [0.1, 0.1]  # what is gone stays gone
