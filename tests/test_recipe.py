"""Recipes: what is written reads back equal, overrides reach any depth, and a slip is answered with the right key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunekit import PrunekitError, Recipe
from prunekit.recipe import over, override, read_yaml

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


def test_a_dumped_recipe_loads_equal(tmp_path):
    data = {"options": {"decoder_layers": [0, 5]}, "measure": {"workloads": [{"batch": 4}]}, "task": {"prefix": "ä: "}}
    recipe = Recipe.parse({"seed": 3, **data})
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.dump(), encoding="utf-8")
    assert Recipe.load(path) == recipe


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


def test_exponents_are_numbers():
    assert Recipe.parse(override({}, ["training.learning_rate=1e-3"])).training.learning_rate == 0.001


@pytest.mark.parametrize("pair", ["training.batch", "=3", ""])
def test_an_override_without_key_or_value(pair):
    with pytest.raises(PrunekitError, match="--set takes key=value"):
        override({}, [pair])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"trainin": {}}, "no key 'trainin' here; did you mean 'training'"),
        ({"training": {"batchs": 1}}, r"no key 'training\.batchs' here; did you mean 'batch'"),
        ({"recovery": {"distillation": {"logit": 1}}}, r"'recovery\.distillation\.logit' here; did you mean 'logits'"),
        ({"measure": {"workloads": [{}, {"beam": 2}]}}, r"'measure\.workloads\.1\.beam' here; did you mean 'beams'"),
        ({"measure": {"zzz": 1}}, "allowed are workloads, "),
        ({"seed": "soon"}, r"^seed: Input should be a valid integer.* \(got 'soon'\)\.$"),
        ({"seed": -1}, r"^seed: .*greater than or equal to 0"),
        ({"seed": 2**32}, r"^seed: .*less than 4294967296"),
        ({"training": {"batch": 0}}, r"^training\.batch: Input should be greater than 0 \(got 0\)"),
        ({"training": {"warmup": 1}}, r"^training\.warmup: Input should be less than 1 \(got 1\)"),
        ({"training": 3}, r"^training: "),
        ([], "A recipe is a YAML mapping"),
        (None, "A recipe is a YAML mapping"),
    ],
)
def test_a_bad_recipe_is_one_sentence(data, sentence):
    with pytest.raises(PrunekitError, match=sentence) as caught:
        Recipe.parse(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"seed: [", "is not valid YAML"),
        (b"\xff\xfe\x00", "is not valid YAML"),
        (b"", "is not a YAML mapping"),
        (b"- a", "is not a YAML mapping"),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path, text, sentence):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text)
    with pytest.raises(PrunekitError, match=sentence):
        read_yaml(path)


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(PrunekitError, match="cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(PrunekitError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)
