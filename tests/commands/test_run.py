"""``prunekit run``: flags become a recipe, a run leaves what the contract names, what cannot work nothing."""

import json

import pytest
import yaml

from prunekit import plugins
from prunekit.cut import checkpoint

SMALL = (
    "measure.workloads=[{source: 3, new_tokens: 3}]", "measure.repeats=1", "measure.least_quality=0",
    "task.source_length=8", "task.target_length=8", "round_to=1", "device=cpu",
)  # fmt: skip
"""A run of seconds, on a model that has learned nothing."""


@pytest.fixture
def settings():
    """SMALL as flags."""
    return [word for pair in SMALL for word in ("--set", pair)]


@pytest.fixture
def asked(monkeypatch, prunekit):
    """The recipe's keys that a command line amounts to."""
    seen = []
    monkeypatch.setattr("prunekit.commands.run.start", seen.append)

    def keys(*words):
        result = prunekit("run", *words)
        assert result.exit_code == 0, result.stderr
        return seen.pop()

    return keys


def test_every_flag_has_its_place(asked):
    words = "--strategy s --adapter a --model m --output o --task t --train x --eval y --test z --source c --target d"
    words += " --metric wer --prefix p --plan f --decoder-layers 2 --encoder-sparsity 0.5 --set seed=3"
    assert asked(*words.split()) == {
        "strategy": "s",
        "adapter": "a",
        "model": "m",
        "output": "o",
        "plan": "f",
        "seed": 3,
        "task": {
            "name": "t", "train": "x", "eval": "y", "test": "z", "source": "c", "target": "d", "metric": "wer",
            "prefix": "p",
        },
        "options": {"decoder_layers": 2, "encoder_sparsity": 0.5},
    }  # fmt: skip


def test_no_flag_no_key(asked):
    assert asked() == {}


@pytest.mark.parametrize(("text", "value"), [("3", 3), ("0,5,11", [0, 5, 11]), ("[0, 2]", [0, 2]), ("two", "two")])
def test_layers_by_number_or_by_name(asked, text, value):
    assert asked("--decoder-layers", text) == {"options": {"decoder_layers": value}}


def test_flags_go_over_the_file(asked, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("seed: 1\ntask: {name: g2p, prefix: x}\noptions: {decoder_layers: 3, steps: 9}\n")
    assert asked(path, "--prefix", "y", "--decoder-layers", "2", "--set", "options.steps=8") == {
        "seed": 1,
        "task": {"name": "g2p", "prefix": "y"},
        "options": {"decoder_layers": 2, "steps": 8},
    }


def test_the_help_names_every_metric(prunekit):
    text = " ".join(prunekit("run", "--help").stdout.split())
    assert all(name in text for name in plugins.names(plugins.METRICS))


@pytest.mark.parametrize(("family", "kept"), [("t5", [0, 2]), ("bart", [1])])
def test_a_run_leaves_what_the_contract_names(family, kept, prunekit, request, pairs, on_pairs, settings, tmp_path):
    model = request.getfixturevalue(f"{family}_directory")
    words = ("--strategy", "uniform", "--adapter", family, "--model", model, "--train", pairs, *on_pairs, *settings)
    first, second = tmp_path / "first", tmp_path / "second"
    result = prunekit("run", *words, "--decoder-layers", kept, "--encoder-sparsity", "0.5", "--output", first)
    assert result.exit_code == 0, result.stderr
    promised = {"recipe.yaml", "plan.json", "model", "report.json", "report.html", "predictions.jsonl", "log.jsonl"}
    assert {path.name for path in first.iterdir()} == promised
    report = json.loads((first / "report.json").read_text())
    assert report["layers"]["decoder_kept"] == kept
    assert 0.5 <= report["sparsity"]["encoder"] < 0.75
    pruned = checkpoint.from_pretrained(first / "model")
    assert report["parameters"]["pruned"] == sum(p.numel() for p in pruned.parameters())
    assert f"{report['parameters']['pruned']:,}" in result.stdout
    assert str(first) in result.stderr

    again = prunekit("run", first / "recipe.yaml", "--output", second)
    assert again.exit_code == 0, again.stderr
    assert (second / "plan.json").read_text() == (first / "plan.json").read_text()
    resolved = yaml.safe_load((first / "recipe.yaml").read_text())
    assert yaml.safe_load((second / "recipe.yaml").read_text()) == {**resolved, "output": str(second)}

    refused = prunekit("run", first / "recipe.yaml")
    assert refused.exit_code == 1
    assert "is not empty" in refused.stderr


def test_broken_plugins_are_in_nobodys_way(prunekit, broken, t5_directory, pairs, on_pairs, settings, tmp_path):
    words = ("--adapter", "t5", "--model", t5_directory, "--train", pairs, *on_pairs, *settings)
    result = prunekit("run", "--strategy", "uniform", *words, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    refused = prunekit("run", "--strategy", "torn", *words, "--output", tmp_path / "none")
    assert refused.exit_code == 1
    assert "'torn' of the distribution 'outsider' (outsider_torn.py, line 1)" in refused.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--adapter", "brat"), "There is no adapter 'brat'; did you mean 'bart'"),
        (("--adapter", "bart"), "'bart' does not fit a model of type 't5'; use --adapter t5"),
        (("--strategy", "nahs"), "There is no strategy 'nahs'; did you mean 'nash'"),
        (("--set", "options.decoder_layer=2"), "no key 'decoder_layer' here; did you mean 'decoder_layers'"),
        (("--encoder-sparsity", "1"), "encoder_sparsity: Input should be less than 1"),
        (("--encoder-sparsity", "-0.1"), "encoder_sparsity: Input should be greater than or equal to 0"),
        (("--decoder-layers", "4"), "decoder_layers is 4, but the decoder has 3 layers"),
        (("--decoder-layers", "0,3"), "decoder_layers names layer 3"),
        (("--decoder-layers", "some"), "decoder_layers: Input should be a valid integer"),
        (("--source", "q"), "has no column 'q'"),
        (("--train", "nowhere.jsonl"), "There is no file 'nowhere.jsonl'"),
        (("--train", "EMPTY"), "has no rows"),
        (("--plan", "OTHER"), "which this model does not have"),
        (("--plan", "nowhere.json"), "cannot be read: No such file"),
        (("--model", "nowhere/at/all"), "There is no model directory"),
    ],
)
def test_what_cannot_run_leaves_nothing(prunekit, t5_directory, pairs, on_pairs, settings, tmp_path, words, sentence):
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "other.json").write_text('{"kept": {"encoder.7.ffn": [0]}}')
    files = {"EMPTY": tmp_path / "empty.jsonl", "OTHER": tmp_path / "other.json"}
    usual = ("--model", t5_directory, "--train", pairs, *on_pairs, *settings)
    out = tmp_path / "out"
    result = prunekit("run", *usual, *(files.get(word, word) for word in words), "--output", out)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert sentence in result.stderr
    assert not out.exists()


def test_a_dry_run_shows_what_there_is_and_writes_nothing(prunekit, settings, t5_directory, pairs, tmp_path):
    words = ["--model", t5_directory, "--train", pairs, "--eval", pairs, "--source", "a", "--target", "b"]
    words += ["--metric", "exact_match", "--decoder-layers", "1", "--output", tmp_path / "out", "--dry-run"]
    before = sorted(tmp_path.rglob("*"))
    result = prunekit("run", *words, *settings)
    assert result.exit_code == 0, result.stderr
    assert sorted(tmp_path.rglob("*")) == before
    shown = " ".join(result.stdout.split())
    assert "rows 8 8" in shown
    assert "decoder layers 1 of" in shown
    assert "expected speed" in shown
    refused = prunekit("run", *words, *settings, "--set", "task.target_length=2", "--set", "options.steps=-1")
    assert refused.exit_code == 1
    assert "steps" in refused.stderr
