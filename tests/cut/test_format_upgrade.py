"""Checkpoints that earlier versions wrote: each is opened, saved in today's format and pruned further.

``format2/`` holds tiny models as the last code of format 2 saved them, each with a batch, the logits and the greedy
tokens that it computed then. Together they hold every override and a stock model.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models
from transformers import AutoModelForSeq2SeqLM, PreTrainedTokenizerFast
from typer.testing import CliRunner

import prunekit
from prunekit import PrunekitError, PruningPlan
from prunekit.cli import app
from prunekit.conformance import worker
from prunekit.cut import checkpoint
from prunekit.cut.format_upgrade import FORMAT, upgrade_record
from prunekit.cut.module_overrides import OVERRIDES
from prunekit.cut.surgery import cut
from prunekit.find.groups import Kind
from prunekit.loading.pretrained import graph_of
from prunekit.loading.structure import adapter_for, open_structure

SAMPLES = Path(__file__).with_name("format2")
NAMES = ("bart", "bert2bert", "t5", "t5-stock")
NEW_TOKENS = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}

ALONE = f"""
import sys
sys.path.insert(0, {str(Path(worker.__file__).parent)!r})
from worker import BlockPrunekit
sys.meta_path.insert(0, BlockPrunekit())
import transformers
from safetensors.torch import load_file, save_file
for name in sys.argv[2:]:
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(name, trust_remote_code="stock" not in name)
    batch = load_file(name + "/expected.safetensors")
    batch.pop("tokens"), batch.pop("logits")
    save_file({{"logits": model(**batch, use_cache=False).logits}}, sys.argv[1] + "/" + name.split("/")[-1])
"""


def record_of(directory):
    return json.loads((directory / "config.json").read_text())["prunekit"]


def assert_as_stored(model, name, tolerance=1e-6):
    """The model gives the logits and the tokens that the old code stored."""
    expected = load_file(SAMPLES / name / "expected.safetensors")
    words = {key: expected[key] for key in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        logits = model(**words, decoder_input_ids=expected["decoder_input_ids"], use_cache=False).logits
        tokens = model.generate(**words, **NEW_TOKENS)
    torch.testing.assert_close(logits, expected["logits"], atol=tolerance, rtol=tolerance)
    assert torch.equal(tokens, expected["tokens"])


def test_the_samples_hold_every_override():
    records = [record_of(SAMPLES / name) for name in NAMES]
    assert {record["format"] for record in records} == {2}
    upgraded = [upgrade_record(record) for record in records]
    assert {entry["override"] for record in upgraded for entry in record["layout"]["overrides"]} == OVERRIDES.keys()


@pytest.mark.parametrize("name", NAMES)
def test_an_old_checkpoint_gives_its_logits(name):
    model = prunekit.from_pretrained(SAMPLES / name)
    assert_as_stored(model, name)
    assert model.config.prunekit["format"] == FORMAT


@pytest.mark.parametrize("name", NAMES)
def test_saved_again_it_is_of_todays_format(name, tmp_path):
    checkpoint.save(prunekit.from_pretrained(SAMPLES / name), tmp_path / "new")
    assert record_of(tmp_path / "new")["format"] == FORMAT
    assert "quirk" not in (tmp_path / "new/config.json").read_text()
    assert_as_stored(prunekit.from_pretrained(tmp_path / "new"), name)


def test_by_transformers_alone_the_old_and_the_new_one_give_the_same(tmp_path):
    for name in NAMES:
        checkpoint.save(prunekit.from_pretrained(SAMPLES / name), tmp_path / f"new-{name}")
        expected = load_file(SAMPLES / name / "expected.safetensors")
        save_file(expected, tmp_path / f"new-{name}/expected.safetensors")
    places = [*(SAMPLES / name for name in NAMES), *(tmp_path / f"new-{name}" for name in NAMES)]
    (tmp_path / "found").mkdir()
    words = [sys.executable, "-c", ALONE, str(tmp_path / "found"), *map(str, places)]
    outcome = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert outcome.returncode == 0, outcome.stderr
    for place in places:
        found = load_file(tmp_path / "found" / place.name)["logits"]
        torch.testing.assert_close(found, load_file(place / "expected.safetensors")["logits"], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", ["bart", "bert2bert", "t5"])
def test_the_auto_classes_open_it_without_a_flag(name):
    model = AutoModelForSeq2SeqLM.from_pretrained(SAMPLES / name)
    assert type(model).__module__ == "prunekit.cut.pruned_model"
    assert_as_stored(model, name)


@pytest.mark.parametrize("name", NAMES)
def test_its_plan_is_the_one_beside_it(name):
    stored = PruningPlan.load(SAMPLES / name / "plan.json")
    assert checkpoint.plan_of(prunekit.from_pretrained(SAMPLES / name)) == stored
    if name == "t5-stock":
        stock = AutoModelForSeq2SeqLM.from_pretrained(SAMPLES / name)
        assert checkpoint.plan_of(stock) == stored


@pytest.mark.parametrize("name", NAMES)
def test_what_inspect_counts_is_in_the_file(name):
    structure = open_structure(str(SAMPLES / name), None)
    stored = load_file(SAMPLES / name / "model.safetensors")
    assert structure.graph.size.whole == sum(t.numel() for key, t in stored.items() if key != "final_logits_bias")


@pytest.mark.parametrize("name", NAMES)
def test_pruned_again_it_computes_what_its_mask_says(name):
    """Feed-forward channels whose outgoing weights are zero can be cut without a change."""
    model = prunekit.from_pretrained(SAMPLES / name)
    _, adapter = adapter_for(model.config, None)
    graph = graph_of(model, adapter)
    before = checkpoint.plan_of(model)
    live = graph.after(before)
    group = next(g for g in live.groups if g.kind is Kind.FFN and len(g) > 1)
    for piece in group.slices:
        if piece.dim == 1:
            model.get_parameter(piece.parameter).data[:, : piece.width] = 0
    batch = load_file(SAMPLES / name / "expected.safetensors")
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask", "decoder_input_ids")}
    with torch.inference_mode():
        expected = model(**inputs, use_cache=False).logits
        small = cut(
            model,
            PruningPlan({group.name: group.ids[1:]}),
            adapter,
            graph,
            checkpoint.dense_config(model.config),
            before,
        )
        torch.testing.assert_close(small(**inputs, use_cache=False).logits, expected, atol=1e-5, rtol=1e-5)
    assert checkpoint.plan_of(small).kept[group.name] == group.ids[1:]


def test_it_is_exported_and_loses_tokens_like_a_new_one(tmp_path):
    """Both commands open the model by its config first."""
    source = shutil.copytree(SAMPLES / "bart", tmp_path / "bart")
    (source / "expected.safetensors").unlink()
    tokenizer = Tokenizer(models.WordLevel({f"w{n}": n for n in range(24)}, unk_token="w3"))
    special = {"pad_token": "w0", "bos_token": "w1", "eos_token": "w2", "unk_token": "w3"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(source)
    (tmp_path / "corpus.txt").write_text("w5w6w7\n")
    corpus = ["--corpus", tmp_path / "corpus.txt"]
    done = run("vocabulary", source, *corpus, "--output", tmp_path / "fewer")
    assert done.exit_code == 0, done.stderr
    assert record_of(tmp_path / "fewer")["format"] == FORMAT
    done = run("export", SAMPLES / "t5", "--to", "plain", "--output", tmp_path / "plain")
    assert done.exit_code == 0, done.stderr
    assert_as_stored(AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "plain"), "t5", 1e-5)


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (FORMAT + 1, rf"^'sample' has checkpoint format {FORMAT + 1}; .* formats 2 to {FORMAT}: upgrade prunekit"),
        (1, r"has checkpoint format 1; .*: its config was damaged, or prune the model again"),
        (None, r"has checkpoint format None; .* damaged"),
        ("3", r"has checkpoint format 3; .* damaged"),
    ],
)
def test_a_newer_or_unknown_format_is_refused_in_a_sentence(number, sentence):
    with pytest.raises(PrunekitError, match=sentence):
        upgrade_record({"format": number, "layout": {}}, "'sample'")


def test_an_upgrade_leaves_the_old_record_as_it_is():
    record = record_of(SAMPLES / "t5")
    upgrade_record(record)
    assert record == record_of(SAMPLES / "t5")
