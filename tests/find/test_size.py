"""The size polynomial against arrays that are really multiplied out, and against every outcome of random gates."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunekit.find.groups import Kind, PruningGroup, Slice
from prunekit.find.plan import PruningPlan
from prunekit.find.size import Size, sparsity

SHAPES = {"e": (5, 3), "0.q": (4, 3), "0.b": (4,), "0.o": (3, 4), "1.w": (6, 3), "1.n": (3,), "head": (5,)}
GROUPS = (
    PruningGroup("hidden", Kind.HIDDEN, "", (0, 1, 2), (Slice("e", 1), Slice("0.q", 1), Slice("1.n", 0))),
    PruningGroup("heads", Kind.HEADS, "s", (0, 1), (Slice("0.q", 0, 2), Slice("0.b", 0, 2), Slice("0.o", 1, 2))),
    PruningGroup("layers", Kind.LAYERS, "s", (0, 1), covers=(("0.q", "0.b", "0.o"), ("1.w", "1.n")), path="s"),
)
UNITS = [(group.name, position) for group in GROUPS for position in range(len(group))]


def multiplied_out(keep):
    """What is left of arrays of ones once every dimension and every layer is multiplied by its keep-values."""
    total = 0.0
    for name, shape in SHAPES.items():
        ones = np.ones(shape)
        for group in GROUPS:
            for piece in group.slices:
                if piece.parameter == name:
                    wide = np.repeat(keep[group.name], piece.span)
                    ones = ones * wide.reshape([-1 if d == piece.dim else 1 for d in range(len(shape))])
            for position, names in enumerate(group.covers):
                ones = ones * (keep[group.name][position] if name in names else 1)
        total += ones.sum()
    return total


def keep_of(flat):
    """One value per unit, by group."""
    return {g.name: [v for (name, _), v in zip(UNITS, flat, strict=True) if name == g.name] for g in GROUPS}


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=len(UNITS), max_size=len(UNITS)))
def test_groups_that_share_a_tensor_multiply(flat):
    keep = keep_of(flat)
    assert Size(SHAPES, GROUPS)(keep) == pytest.approx(multiplied_out(keep))


def test_probabilities_give_the_expectation_over_every_outcome():
    chances = [0.9, 0.2, 0.5, 0.7, 0.35, 0.8, 0.05]
    size, expected = Size(SHAPES, GROUPS), 0.0
    for outcome in itertools.product((0, 1), repeat=len(UNITS)):
        probability = np.prod([p if kept else 1 - p for p, kept in zip(chances, outcome, strict=True)])
        expected += probability * multiplied_out(keep_of(outcome))
    assert size(keep_of(chances)) == pytest.approx(expected)


def test_zeros_and_ones_give_exact_integers():
    size = Size(SHAPES, GROUPS)
    assert size.whole == sum(int(np.prod(shape)) for shape in SHAPES.values())
    plan = PruningPlan({"hidden": (0, 2), "heads": (1,), "layers": (0,)})
    assert size.of(plan) == multiplied_out({"hidden": [1, 0, 1], "heads": [0, 1], "layers": [1, 0]})
    counted = multiplied_out({"hidden": [1, 1, 0], "heads": [1, 0], "layers": [1, 1]})
    assert size.counted({"hidden": 2, "heads": 1}) == counted
    assert sparsity(size, plan) == pytest.approx(1 - size.of(plan) / size.whole)


def test_tensors_give_gradients():
    keep = {name: torch.tensor(values, dtype=torch.float64) for name, values in keep_of([0.5] * len(UNITS)).items()}
    keep["heads"].requires_grad_()
    Size(SHAPES, GROUPS)(keep).backward()
    step = {name: value.detach().tolist() for name, value in keep.items()}
    low, high = (multiplied_out({**step, "heads": [value, 0.5]}) for value in (0.0, 1.0))
    assert keep["heads"].grad[0].item() == pytest.approx(high - low)


def test_prices_weigh_every_element():
    prices = {name: 0.5 if name == "0.q" else 0.0 for name in SHAPES}
    assert Size(SHAPES, GROUPS, prices)(keep_of([1, 0, 1, 1, 0, 1, 1])) == 0.5 * 2 * 2
