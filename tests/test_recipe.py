"""Recipes: what is written reads back equal, and a slip is answered with the right key."""

import pytest

from prunekit import PrunekitError, Recipe
from prunekit._support.nested import override


def test_a_dumped_recipe_loads_equal(tmp_path):
    data = {"options": {"decoder_layers": [0, 5]}, "measure": {"workloads": [{"batch": 4}]}, "task": {"prefix": "ä: "}}
    recipe = Recipe.parse({"seed": 3, **data})
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.dump(), encoding="utf-8")
    assert Recipe.load(path) == recipe


def test_stages_can_be_given_on_the_command_line():
    text = "recovery.stages=[{frozen: [encoder], share: 0.6}, {share: 0.4, rate: 0.33}]"
    first, second = Recipe.parse(override({}, [text])).recovery.stages
    assert (first.frozen, first.share, first.rate) == (("encoder",), 0.6, 1.0)
    assert (second.frozen, second.share, second.rate) == ((), 0.4, 0.33)


def test_exponents_are_numbers():
    assert Recipe.parse(override({}, ["training.learning_rate=1e-3"])).training.learning_rate == 0.001


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
        ({"training": {"encoder_cache": -1}}, r"^training\.encoder_cache: .*greater than or equal to 0"),
        (
            {"recovery": {"frozen": ["encoder"], "stages": [{}]}},
            "^recovery: .*frozen and stages cannot both be given; say in every stage what is frozen in it",
        ),
        ({"recovery": {"stages": [{"share": 0}, {"share": 0}]}}, "^recovery: .*every stage has a share of 0"),
        ({"recovery": {"stages": [{"share": -1}]}}, r"^recovery\.stages\.0\.share: .*greater than or equal to 0"),
        ({"recovery": {"stages": [{}, {"rate": 0}]}}, r"^recovery\.stages\.1\.rate: .*greater than 0"),
        ({"recovery": {"stages": [{"frozn": []}]}}, r"'recovery\.stages\.0\.frozn' here; did you mean 'frozen'"),
        ({"recovery": {"stages": [{"frozen": ["head"]}]}}, r"^recovery\.stages\.0\.frozen\.0: .*'embedding'"),
        ([], "A recipe is a YAML mapping"),
        (None, "A recipe is a YAML mapping"),
    ],
)
def test_a_bad_recipe_is_one_sentence(data, sentence):
    with pytest.raises(PrunekitError, match=sentence) as caught:
        Recipe.parse(data)
    assert "\n" not in str(caught.value)
