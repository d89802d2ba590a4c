"""``prunekit new-adapter``: drafts of regular types pass the suite unedited, others say what they lack."""

import importlib.util
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from prunekit import plugins
from prunekit.conformance import CHECKS, ModelUnderTest, failures
from prunekit.find.graph import discover
from prunekit.scaffold.draft import draft
from prunekit.scaffold.files import files_for, resolve_by_trial
from prunekit.scaffold.sizes import kind_of
from prunekit.testing import AdapterSuite

REGULAR = (
    "bart",
    "blenderbot",
    "blenderbot-small",
    "m2m_100",
    "marian",
    "mbart",
    "mvp",
    "pegasus",
    "plbart",
    "seamless_m4t",
)
IRREGULAR = ("t5", "prophetnet", "whisper")


def imported(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def suite_of(tmp_path, monkeypatch):
    """The class in the test file that is written for a model type, imported as pytest would."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(model_type):
        kind = kind_of(model_type)
        files = files_for(kind, tmp_path)
        files.write(resolve_by_trial(draft(kind)))
        own = imported(files.adapter, files.module)
        monkeypatch.setitem(sys.modules, files.module, own)
        tests = vars(imported(files.suite, files.suite.stem)).values()
        return next(
            each
            for each in tests
            if isinstance(each, type) and issubclass(each, AdapterSuite) and each is not AdapterSuite
        )

    return write


EVERY_CHANGE = ("bart", "seamless_m4t")


@pytest.mark.parametrize(
    "model_type", [pytest.param(name, marks=() if name in EVERY_CHANGE else pytest.mark.full) for name in REGULAR]
)
def test_the_draft_of_a_regular_type_passes_unedited(suite_of, model_type):
    suite = suite_of(model_type)
    assert suite.config.model_type == model_type
    assert suite.adapter.model_types == (model_type,)
    specimen = ModelUnderTest.tiny(suite.adapter(), suite.config, suite.dtype, suite.tolerance)
    assert [f"{check.id}: {wrong}" for check, wrong in failures(specimen)] == []
    assert not specimen.unsupported  # it generates in every way, so that no check was skipped for that
    if model_type in plugins.names(plugins.ADAPTERS):
        ours = discover(plugins.load(plugins.ADAPTERS, model_type)(), suite.config, specimen.model)
        assert specimen.graph.groups == ours.groups


def test_the_draft_is_described_and_checked_at_once(prunekit, tmp_path):
    result = prunekit("new-adapter", "bart", "--output", tmp_path / "new")
    assert result.exit_code == 0, result.stderr
    said = result.stdout
    assert "encoder  model.encoder.layers, counted by encoder_layers: self-attention self_attn.q_proj" in said
    assert "cross-attention encoder_attn.q_proj, feed-forward fc1" in said
    assert "model.shared = model.encoder.embed_tokens = model.decoder.embed_tokens = lm_head" in said
    assert "nothing that tracing shows." in said
    assert 'bart = "bart"' in said
    assert f"{len(CHECKS)} checks hold, 0 fail" in said
    assert "There is an adapter for bart already" in result.stderr
    assert f"check: {len(CHECKS)}/{len(CHECKS)}" in result.stderr
    assert "it/s" not in result.stderr
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["bart.py", "test_bart.py"]
    assert len((tmp_path / "new" / "bart.py").read_text().splitlines()) <= 23


def test_position_biases_that_couple_all_layers_are_named(prunekit, tmp_path):
    result = prunekit("new-adapter", "t5", "--output", tmp_path)
    assert result.exit_code == 0, result.stderr
    sentence = "tracing couples the heads of layer.0.SelfAttention in encoder.block in all layers"
    assert sentence in result.stdout
    assert 'declare `cuts = ("relative_attention_bias",)`' in result.stdout
    assert "only the first layer of decoder.block has layer.0.SelfAttention.relative_attention_bias" in result.stdout
    assert "To mend it" in result.stdout
    assert "0 checks hold, 1 fail" in result.stdout
    assert sentence in " ".join((tmp_path / "t5.py").read_text().replace("#", " ").split())


def test_inputs_that_are_no_tokens_are_asked_for(prunekit, tmp_path):
    result = prunekit("new-adapter", "whisper", "--output", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "`encoder_inputs`: the encoder takes input_features instead of token ids" in result.stdout
    assert "auto_class = AutoModelForSpeechSeq2Seq" in (tmp_path / "whisper.py").read_text()


def test_other_names_of_keys_attributes_and_tables_are_found():
    found = draft(kind_of("prophetnet"))
    assert [layers.depth for layers in found.layers] == [("num_encoder_layers",), ("num_decoder_layers",)]
    assert str(found.head_size) == 'config.hidden_size // getattr(config, f"num_{stack}_attention_heads")'
    assert found.gathers == ("encoder.word_embeddings",)
    own, cross = found.found[1].attentions
    assert [(each.module, each.count, each.cross) for each in (own, cross)] == [
        ("self_attn.query_proj", "num_attn_heads", False),
        ("cross_attn.query_proj", "num_attn_heads", True),
    ]


def test_attentions_that_are_as_wide_as_their_input_are_named(suite_of, tmp_path):
    suite = suite_of("fsmt")
    assert suite.dtype is torch.float32  # it fills masks with that type's least number
    assert "leave them `whole`" in " ".join((tmp_path / "fsmt.py").read_text().replace("#", " ").split())


def test_what_is_written_is_as_formatters_want_it(tmp_path):
    for model_type in (*IRREGULAR, "bart", "mvp", "marian"):
        kind = kind_of(model_type)
        found = draft(kind)
        for name, each in (("plain", found), ("odd", replace(found, sized=True, single=True))):
            files_for(kind, tmp_path / name).write(each)
    ruff = [sys.executable, "-m", "ruff"]
    rules = ["--isolated", "--line-length", "120"]
    for words in (["format", "--check"], ["check", "--select", "E,F,W,UP"]):
        done = subprocess.run([*ruff, *words, *rules, tmp_path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("brat",), "transformers knows no model type 'brat'; did you mean 'bart'"),
        (("bert",), "Models of type 'bert' have no encoder and decoder"),
        (("t5gemma",), "put together from several configs (encoder, decoder)"),
        (("udop",), "Neither AutoModelForSeq2SeqLM nor AutoModelForSpeechSeq2Seq of transformers makes"),
        (("marian", "--output", "HERE"), "test_marian.py' already, which a draft must not overwrite"),
        (("marian", "--output", "FILE"), "is a file; name a directory."),
    ],
)
def test_what_cannot_be_drafted(prunekit, tmp_path, words, sentence):
    mine = tmp_path / "test_marian.py"
    mine.write_text("mine")
    places = {"HERE": tmp_path, "FILE": mine}
    result = prunekit("new-adapter", *(places.get(word, word) for word in words))
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    assert mine.read_text() == "mine"
