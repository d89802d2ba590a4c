"""Which model is taken: closed forms on models made by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunekit import PrunekitError
from prunekit.front.selection import Aim, select_model
from tests.front.conftest import model

MODELS = st.lists(st.tuples(st.floats(0.1, 1.2), st.floats(0.5, 9.0), st.floats(0.1, 1.2)), min_size=1, max_size=6).map(
    lambda made: [model(f"decoder-{n}", kept, speed, test) for n, (kept, speed, test) in enumerate(made, 1)]
)


@given(MODELS, st.floats(0.1, 1.2))
def test_the_fastest_of_those_that_keep_enough_on_dev(models, keep):
    dense = 0.672
    good = [each for each in models if each.dev.score >= keep * dense * (1 - 1e-12) and each.dev.kept >= keep]
    selection = select_model(models, Aim(keep=keep))
    named = {each.name: each for each in models}[selection.model]
    assert selection.met == bool(good)
    if good:
        assert named.dev.kept >= keep
        assert named.speedup == max(each.speedup for each in good)
    else:
        assert named.dev.kept == max(each.dev.kept for each in models) < keep


@given(MODELS, st.floats(0.5, 9.0))
def test_the_best_of_those_that_are_fast_enough(models, speedup):
    fast = [each for each in models if each.speedup >= speedup]
    selection = select_model(models, Aim(speedup=speedup))
    named = {each.name: each for each in models}[selection.model]
    assert selection.met == bool(fast)
    if fast:
        assert named.dev.kept == max(each.dev.kept for each in fast)
    else:
        assert named.speedup == max(each.speedup for each in models) < speedup


@given(MODELS, st.floats(0.1, 1.2), st.floats(0.0, 2.0))
def test_test_rows_have_no_part_in_it(models, keep, other):
    changed = [
        each.model_copy(update={"test": each.test.model_copy(update={"score": other, "kept": other})})
        for each in models
    ]
    assert select_model(models, Aim(keep=keep)) == select_model(changed, Aim(keep=keep))


def test_a_model_of_which_nothing_is_known_is_never_good_enough(make_model):
    known = make_model("decoder-2", 0.5, 1.5)
    unknown = make_model("decoder-1", 1.0, 9.0)
    unknown = unknown.model_copy(update={"dev": unknown.dev.model_copy(update={"kept": None})})
    assert select_model([known, unknown], Aim(keep=0.98)).model == "decoder-2"
    assert select_model([known, unknown], Aim()) is None


@pytest.mark.parametrize(
    ("aim", "why"),
    [
        ({"keep": 0.98, "speedup": 3}, "give one of them"),
        ({"keep": 98}, "such as 0.98, not 98"),
        ({"speedup": 0}, "such as 3, not 0"),
        ({"keep": float("nan")}, "not nan"),
    ],
)
def test_an_aim_that_cannot_be_is_refused(aim, why):
    with pytest.raises(PrunekitError, match=why):
        Aim(**aim)
