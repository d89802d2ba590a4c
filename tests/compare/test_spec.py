"""The specification: files that are read, and what is wrong said in one sentence; nothing is run."""

import pytest
import yaml

from prunekit.compare.spec import Comparison
from prunekit.errors import PrunekitError


def test_the_base_may_stand_in_a_file_of_its_own(comparison, tmp_path):
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(comparison["base"]))
    (tmp_path / "words.yaml").write_text(yaml.safe_dump({**comparison, "base": "base.yaml", "name": "x"}))
    del comparison["name"]
    (tmp_path / "whole.yaml").write_text(yaml.safe_dump(comparison))
    whole, words = Comparison.load(tmp_path / "whole.yaml", "elsewhere"), Comparison.load(tmp_path / "words.yaml")
    assert whole.base == words.base
    assert (whole.name, whole.output, words.name) == ("whole", "elsewhere", "x")


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"variants": {"dense": {}}}, "cannot be called 'dense'"),
        ({"variants": {"a/b": {}}}, "cannot be called 'a/b'"),
        ({"variants": {"a": {"task": {}}}, "baselines": []}, "no key 'variants.a.task'"),
        ({"variants": {"a": {"optoins": {}}}}, "did you mean 'options'"),
        ({"variants": {"a": {"from_scratch": "b"}}}, "no variant of that name"),
        ({"variants": {"a": {"from_scratch": "a"}}}, "'a' has the shape of 'a'"),
        ({"variants": {"a": {}, "b": {"from_scratch": "a", "shape_of": "a"}}}, "'b' takes its shape from two variants"),
        (
            {"variants": {"a": {}, "b": {"from_scratch": "a"}, "c": {"from_scratch": "b"}}},
            "'b' has itself the shape of 'a'",
        ),
        ({"baselines": ["shalow"]}, "did you mean 'shallow'"),
        ({"seeds": []}, "at least 1 item"),
        ({"budgets": [{"examples": 0}]}, "greater than 0"),
        ({"base": 3}, "base"),
        ({"seeds": [0, 0]}, "Two runs would be called 'narrow-24ex-0'"),
        ({"budgets": [{"cpu_seconds": 1234567}, {"cpu_seconds": 1234568}]}, "Two runs would be called 'narrow-1.23"),
    ],
)
def test_what_is_wrong_is_one_sentence(comparison, keys, sentence):
    with pytest.raises(PrunekitError, match=sentence):
        Comparison.parse({**comparison, **keys})


def test_the_recommended_variant_is_the_first_that_is_no_baseline(comparison):
    assert Comparison.parse(comparison).recommended == "narrow"
    comparison |= {"baselines": ["narrow"], "variants": {"narrow": {}, "shallow": {}}}
    assert Comparison.parse(comparison).recommended == "shallow"


def test_another_output_ignores_the_records(comparison, tmp_path):
    path = tmp_path / "comparison.yaml"
    path.write_text(yaml.safe_dump({**comparison, "records": str(tmp_path / "kept")}))
    assert Comparison.load(path).archive == tmp_path / "kept"
    assert str(Comparison.load(path, "other").archive) == "other/records"


def test_runs_that_cost_more_than_their_budget_are_refused(comparison):
    comparison["base"]["start"] = "outputs/earlier"
    with pytest.raises(PrunekitError, match="begin with the dense model"):
        Comparison.parse(comparison)
