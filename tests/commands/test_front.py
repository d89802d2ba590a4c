"""``prunekit front``: a table on stdout, the model to take, and one sentence for what cannot be."""

import pytest
import yaml

from prunekit.front.figures import Front


@pytest.fixture
def file(t5_directory, pairs, tmp_path):
    """A front of a tiny model at 12 examples."""
    task = {"train": str(pairs), "eval": str(pairs), "source": "a", "target": "b", "metric": "exact_match"}
    measure = {"batch": 8, "repeats": 1, "least_quality": 0, "workloads": [{"source": 4, "new_tokens": 3}]}
    keys = {"model": str(t5_directory), "strategy": "depth", "task": {**task, "target_length": 8}, "measure": measure}
    keys |= {"training": {"batch": 4, "precision": "fp32"}, "budget": {"examples": 12}, "device": "cpu"}
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({**keys, "output": str(tmp_path / "out")}))
    return path


@pytest.mark.full
def test_the_table_is_shown_and_the_model_to_take_is_named(prunekit, file, tmp_path):
    result = prunekit("front", file, "--layers", "1", "--target-speedup", "0.001")
    assert result.exit_code == 0, result.stderr
    assert "The front of depth" in result.stdout
    assert "decoder-1 (take this)" in result.stdout
    assert "the model to take is in decoder-1/model" in result.stderr
    missed = prunekit("front", file, "--target-speedup", "1000")
    assert missed.exit_code == 1
    assert "No model is 1000 times as fast; decoder-1 is the fastest" in missed.stdout
    found = Front.model_validate_json((tmp_path / "out/front.json").read_text())
    assert (found.selection.met, found.selection.model) == (False, "decoder-1")


REFUSED = {
    "both aims": (("--keep", "0.9", "--target-speedup", "2"), "give one of them"),
    "a share in percent": (("--keep", "98"), "such as 0.98, not 98"),
    "layers by words": (("--layers", "six"), "'six' is none"),
    "more layers than there are": (("--layers", "9"), "there are 3"),
    "an unknown key": (("--set", "budgt.examples=3"), "budgt"),
    "a strategy without depth": (("--strategy", "cofi"), "take one with the option decoder_layers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_one_sentence_and_nothing_is_written(prunekit, file, tmp_path, name):
    words, why = REFUSED[name]
    result = prunekit("front", file, *words)
    assert result.exit_code == 1
    assert why in " ".join(result.stderr.split())
    assert result.stderr.count("error: ") == 1
    assert not (tmp_path / "out").exists()
