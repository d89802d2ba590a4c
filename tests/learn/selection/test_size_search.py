"""Choosing what stays, against fractions, brute force over every possible choice, and the published table of layers."""

import itertools
from fractions import Fraction
from math import floor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind, PruningGroup, Slice
from prunekit.find.size import Size
from prunekit.learn.selection.size_search import chunks, evenly_spaced, prune_to_size, prune_to_size_uniform

TABLE = {
    6: {2: (0, 5), 3: (0, 2, 5), 4: (0, 1, 3, 5), 6: (0, 1, 2, 3, 4, 5)},
    12: {2: (0, 11), 3: (0, 5, 11), 4: (0, 3, 7, 11), 6: (0, 2, 4, 6, 8, 11)},
    24: {2: (0, 23), 3: (0, 11, 23), 4: (0, 7, 15, 23), 6: (0, 4, 9, 13, 18, 23)},
}


def test_layers_are_spaced_as_exact_fractions_say():
    for layers in range(1, 65):
        assert evenly_spaced(layers, 1) == (0,)
        for kept in range(2, layers + 1):
            step = Fraction(layers - 1, kept - 1)
            expected = tuple(floor(step * d) for d in range(kept))
            assert evenly_spaced(layers, kept) == expected
            assert (expected[0], expected[-1], len(set(expected))) == (0, layers - 1, kept)


def test_layers_are_those_of_the_published_table():
    assert {n: {k: evenly_spaced(n, k) for k in row} for n, row in TABLE.items()} == TABLE
    assert evenly_spaced(16, 12)[-1] == 15  # floating point arithmetic ends at 14


@pytest.mark.parametrize(("layers", "kept"), [(4, 0), (4, 5), (4, -1)])
def test_more_layers_than_there_are(layers, kept):
    with pytest.raises(PrunekitError, match=f"Cannot keep {kept} of 4 layers; choose between 1 and 4"):
        evenly_spaced(layers, kept)


def a_group(name, kind, units, price):
    """A group whose units cost `price` parameters each."""
    return PruningGroup(name, kind, "encoder", tuple(range(units)), (Slice(f"{name}.w", 0, price),))


def a_size(*groups):
    """The size of these groups and of 100 parameters that belong to none."""
    shapes = {g.slices[0].parameter: (len(g) * g.slices[0].span,) for g in groups}
    return Size({**shapes, "other": (100,)}, groups)


GROUPS = (a_group("heads", Kind.HEADS, 3, 17), a_group("wide", Kind.FFN, 8, 5), a_group("narrow", Kind.FFN, 5, 3))
SIZE = a_size(*GROUPS)


def scored(flat):
    """Scores by group from one flat list."""
    return dict(zip((g.name for g in GROUPS), torch.tensor(flat).split([len(g) for g in GROUPS]), strict=True))


def widths(group, step):
    """Every number of units that may stay of a group: all, or what is left after whole steps."""
    steps = range(0, len(group), step if group.kind is Kind.FFN else 1)
    return sorted({len(group), *steps})


def cost(counts):
    return 100 + sum(group.slices[0].span * count for group, count in zip(GROUPS, counts, strict=True))


unequal = st.lists(st.floats(0, 1, width=32), min_size=16, max_size=16, unique=True).map(scored)
thorough = settings(derandomize=True, deadline=None, max_examples=60)


@thorough
@given(scores=unequal, target=st.integers(100, SIZE.whole), step=st.sampled_from([1, 3, 4]), even=st.booleans())
def test_a_target_is_met_from_above_and_nothing_more_could_stay(scores, target, step, even):
    choose = prune_to_size_uniform if even else prune_to_size
    plan = choose(GROUPS, scores, SIZE, target, step)
    counts = [len(plan.of(group)) for group in GROUPS]
    assert cost(counts) == SIZE.of(plan) <= target
    allowed = [widths(group, step) for group in GROUPS]
    assert all(count in options for count, options in zip(counts, allowed, strict=True))
    for more in itertools.product(*allowed):
        if more != tuple(counts) and all(a >= b for a, b in zip(more, counts, strict=True)):
            assert cost(more) > target


@thorough
@given(scores=unequal, target=st.integers(100, SIZE.whole), step=st.sampled_from([1, 4]))
def test_within_a_group_the_weakest_go_first(scores, target, step):
    plan = prune_to_size(GROUPS, scores, SIZE, target, step)
    for group in GROUPS:
        kept = set(plan.of(group))
        strongest = scores[group.name].argsort(descending=True)[: len(kept)]
        assert kept == set(strongest.tolist())


@thorough
@given(scores=unequal, target=st.integers(100, SIZE.whole))
def test_with_steps_of_one_the_miss_is_less_than_one_unit(scores, target):
    plan = prune_to_size(GROUPS, scores, SIZE, target)
    gone = [group.slices[0].span for group in GROUPS if len(plan.of(group)) < len(group)]
    assert all(target - SIZE.of(plan) < price for price in gone)


@thorough
@given(
    flat=st.lists(st.floats(0, 1, width=32), min_size=12, max_size=12, unique=True),
    target=st.integers(100, 100 + 12 * 5),
)
def test_units_of_one_price_compete_all_together(flat, target):
    """Where units cost the same, what stays is simply the best of all."""
    groups = (a_group("one", Kind.FFN, 7, 5), a_group("two", Kind.FFN, 5, 5))
    scores = {"one": torch.tensor(flat[:7]), "two": torch.tensor(flat[7:])}
    plan = prune_to_size(groups, scores, a_size(*groups), target)
    best = sorted(range(12), key=lambda unit: -flat[unit])[: (target - 100) // 5]
    assert {*plan.of(groups[0]), *(7 + unit for unit in plan.of(groups[1]))} == set(best)


@pytest.mark.parametrize("target", [SIZE.whole, SIZE.whole + 50])
def test_a_target_that_is_met_already_prunes_nothing(target):
    plan = prune_to_size(GROUPS, scored([0.5] * 16), SIZE, target)
    assert all(plan.of(group) == group.ids for group in GROUPS)


def test_a_target_out_of_reach_leaves_nothing_of_the_groups():
    assert not any(prune_to_size(GROUPS, scored([0.5] * 16), SIZE, 10).kept.values())


def test_equal_scores_give_one_plan():
    """The last of equals goes first, so that plans do not depend on the machine."""
    plan = prune_to_size(GROUPS[1:2], {"wide": torch.zeros(8)}, a_size(GROUPS[1]), 100 + 5 * 5)
    assert plan.kept["wide"] == (0, 1, 2, 3, 4)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 99), sparsity=st.floats(0.02, 0.98))
def test_an_even_plan_takes_the_same_share_of_every_group(case, seed, sparsity):
    """Up to one head of four, which is worth 12 of the 60 channels, and yet less than one channel too many goes."""
    graph = case("t5").graph
    groups = [g for g in graph.groups if g.stack == "encoder" and g.kind in (Kind.HEADS, Kind.FFN)]
    size = graph.prunable_size("encoder")
    noise = torch.Generator().manual_seed(seed)
    scores = {group.name: torch.rand(len(group), generator=noise) for group in groups}
    plan = prune_to_size_uniform(groups, scores, size, (1 - sparsity) * size.whole)
    gone = [1 - len(plan.of(group)) / len(group) for group in groups]
    assert size.of(plan) <= (1 - sparsity) * size.whole < size.of(plan) + 2 * 32
    assert max(gone) - min(gone) <= 1 / 4 + 1e-9


def test_chunks_leave_widths_that_are_multiples_of_the_step():
    group = a_group("ffn", Kind.FFN, 20, 1)
    scores = torch.arange(20.0).flip(0)
    parts = chunks(group, scores, 8)
    assert [part.units for part in parts] == [(19, 18, 17, 16), tuple(range(15, 7, -1)), tuple(range(7, -1, -1))]
    assert [part.score for part in parts] == [1.5, 7.5, 15.5]
    assert [part.share for part in parts] == [0.2, 0.6, 1.0]


def test_heads_go_one_by_one_whatever_the_step():
    assert [len(part.units) for part in chunks(a_group("h", Kind.HEADS, 4, 1), torch.rand(4), 8)] == [1] * 4


def test_units_of_a_model_that_was_cut_keep_their_numbers():
    group = PruningGroup("ffn", Kind.FFN, "encoder", (2, 5, 9), (Slice("w", 0, 1),))
    plan = prune_to_size([group], {"ffn": torch.tensor([0.3, 0.1, 0.2])}, Size({"w": (3,)}, [group]), 2)
    assert plan.kept["ffn"] == (2, 9)
