"""Schedules of the learning rate, against their closed forms."""

import math

import pytest

from prunekit.learn.training.schedules import SCHEDULES
from prunekit.recipe import TrainingSection


@pytest.mark.parametrize("name", SCHEDULES)
def test_all_warm_up_alike(name):
    assert [SCHEDULES[name](step, 20, 4) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_the_cosine_is_half_way_down_in_the_middle():
    shares = [SCHEDULES["cosine"](step, 12, 2) for step in range(2, 13)]
    assert shares == pytest.approx([math.cos(math.pi * n / 20) ** 2 for n in range(11)])


def test_a_constant_one_stays_and_a_linear_one_ends_at_nothing():
    assert {SCHEDULES["constant"](step, 9, 0) for step in range(10)} == {1.0}
    assert [SCHEDULES["linear"](step, 4, 0) for step in range(5)] == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_a_recipe_knows_their_names():
    assert [TrainingSection(schedule=name).schedule for name in SCHEDULES] == list(SCHEDULES)
