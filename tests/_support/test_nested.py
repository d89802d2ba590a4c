"""Nested mappings: what lies above wins, overrides reach any depth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunekit import PrunekitError
from prunekit._support.nested import over, override

trees = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, min_size=1, max_size=3), max_leaves=8
)
mappings = st.dictionaries(st.sampled_from("abcd"), trees, max_size=4)


def leaves(tree, path=()):
    """Every number in a nested mapping by its path."""
    if not isinstance(tree, dict):
        return {path: tree}
    return {at: value for key, inner in tree.items() for at, value in leaves(inner, (*path, key)).items()}


@given(mappings, mappings)
def test_what_lies_above_wins_and_nothing_else_changes(below, above):
    result, upper = leaves(over(below, above)), leaves(above)
    lower = leaves(below)
    assert upper.items() <= result.items()
    assert result.items() <= (lower | upper).items()
    free = {at: v for at, v in lower.items() if not any(at[: len(u)] == u or u[: len(at)] == at for u in upper)}
    assert free.items() <= result.items()


def test_overrides_are_read_as_yaml_and_leave_the_original_alone():
    data = {"training": {"batch": 4}, "seed": 1}
    pairs = ["training.learning_rate=0.5", "task.prefix='a=b: c'", "options.decoder_layers=[0, 5]", "plan="]
    assert override(data, pairs) == {
        "training": {"batch": 4, "learning_rate": 0.5},
        "seed": 1,
        "task": {"prefix": "a=b: c"},
        "options": {"decoder_layers": [0, 5]},
        "plan": None,
    }
    assert data == {"training": {"batch": 4}, "seed": 1}


def test_an_override_that_is_no_yaml():
    with pytest.raises(PrunekitError, match=r"'task.prefix=\[': the value is not valid YAML; put it in quotes"):
        override({}, ["task.prefix=["])


@pytest.mark.parametrize("pair", ["training.batch", "=3", ""])
def test_an_override_without_key_or_value(pair):
    with pytest.raises(PrunekitError, match="--set takes key=value"):
        override({}, [pair])
