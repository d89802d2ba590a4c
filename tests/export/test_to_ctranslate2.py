"""Exports to CTranslate2: its engine scores and decodes like the pruned model, and what it cannot do is said."""

import numpy as np
import pytest
import torch
import transformers
from typer.testing import CliRunner

from prunekit import PrunekitError
from prunekit.cli import app
from prunekit.conformance import ModelUnderTest
from prunekit.cut import checkpoint
from prunekit.export import to_ctranslate2
from prunekit.export.ctranslate2_parity import check_ctranslate2
from prunekit.testing.models import BART_SIZES
from prunekit_adapters.bart import Bart
from prunekit_adapters.mvp import Mvp
from prunekit_adapters.t5gemma import T5Gemma

ctranslate2 = pytest.importorskip("ctranslate2")


@pytest.fixture
def saved(words, ragged):
    """Saves a ragged model of a case, and returns it."""

    def save(case, place, narrow=()):
        small = case.cut(ragged(case.graph, narrow)).float().eval()
        checkpoint.save(small, place, words(case.config))
        return small

    return save


def run(source, target, *more):
    return CliRunner().invoke(app, ["export", str(source), "--to", "ctranslate2", "--output", str(target), *more])


@pytest.mark.parametrize("hidden", [False, True], ids=["full", "narrow encoder"])
def test_every_family_scores_and_decodes_the_same(every, saved, tmp_path, hidden):
    small = saved(every, tmp_path / "small", ["encoder.hidden"] if hidden else [])
    done = run(tmp_path / "small", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert "equal for 16 of 16 inputs" in " ".join(done.stdout.split())
    # by hand, without any of our scoring: one input, token by token
    source, target = [5, 6, 7], [8, 3]
    named = [[f"w{n}" for n in ids] for ids in (source, target)]
    translator = ctranslate2.Translator(str(tmp_path / "out"))
    (scored,) = translator.score_batch([named[0]], [named[1]])
    start, end = every.config.decoder_start_token_id, every.config.eos_token_id
    with torch.no_grad():
        logits = small(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[start, *target]])).logits[0]
    expected = [float(logits.log_softmax(-1)[place, token]) for place, token in enumerate([*target, end])]
    np.testing.assert_allclose(scored.log_probs, expected, atol=1e-4 * max(1, *map(abs, expected)))


def test_a_dense_model_is_exported_too(case, words, tmp_path):
    """Which is of use for T5 v1.1 and mT5: the stock converter scales what they say."""
    case("mt5").model.save_pretrained(tmp_path / "dense")
    words(case("mt5").config).save_pretrained(tmp_path / "dense")
    done = run(tmp_path / "dense", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert "equal for 16 of 16 inputs" in " ".join(done.stdout.split())


def test_int8_is_written_and_its_distance_said(case, saved, tmp_path):
    saved(case("t5"), tmp_path / "small")
    done = run(tmp_path / "small", tmp_path / "out", "--quantization", "int8")
    assert done.exit_code == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "Log-probabilities differ by 0." in said
    assert "% of the greedy tokens are those that the model would have chosen next." in said
    sizes = [(tmp_path / name).stat().st_size for name in ("out/model.bin", "small/model.safetensors")]
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_a_wrong_scale_is_found_and_nothing_written(case, saved, tmp_path, monkeypatch, quantization):
    """Of rounded weights too, since the exact ones are tried before them."""
    saved(case("t5"), tmp_path / "small")
    monkeypatch.setattr(to_ctranslate2, "_scale", lambda model, inputs: 0.5)
    done = run(tmp_path / "small", tmp_path / "out", "--quantization", quantization)
    assert done.exit_code == 1
    assert "differs from the pruned one" in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("what", ["int9", "library"])
def test_what_cannot_be_is_one_sentence(case, saved, tmp_path, monkeypatch, what):
    saved(case("t5"), tmp_path / "small")
    if what == "library":
        monkeypatch.setitem(__import__("sys").modules, "ctranslate2", None)
        done, sentence = run(tmp_path / "small", tmp_path / "out"), "install 'prunekit[ctranslate2]'"
    else:
        done = run(tmp_path / "small", tmp_path / "out", "--quantization", "int9")
        sentence = "refuses the quantization 'int9'"
    assert done.exit_code == 1
    assert sentence in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("adapter", "config", "sentence"),
    [
        (T5Gemma, transformers.T5GemmaConfig, "no export of models with a T5GemmaConfig to CTranslate2"),
        (Bart, transformers.BlenderbotSmallConfig, "no export of models with a BlenderbotSmallConfig"),
        (Bart, transformers.BartConfig, "names no decoder_start_token_id"),
    ],
)
def test_types_that_the_engine_does_not_know(adapter, config, sentence, words, tmp_path):
    adapter = adapter()
    small = adapter.skeleton(config(decoder_start_token_id=None))
    specimen = ModelUnderTest.tiny(adapter, small, torch.float32)
    if "start" not in sentence:
        specimen.model.config.decoder_start_token_id = 2
    with pytest.raises(PrunekitError, match=sentence):
        to_ctranslate2.export_ctranslate2(
            specimen.model, adapter, specimen.graph, words(small, rows=24), tmp_path, "float32"
        )


KIN = {
    "MarianConfig": {"pad_token_id": 59, "decoder_start_token_id": 59, "eos_token_id": 0},
    "M2M100Config": {"pad_token_id": 1, "decoder_start_token_id": 2, "eos_token_id": 2, "bos_token_id": 0},
    "MBartConfig": {"pad_token_id": 1, "decoder_start_token_id": 2, "eos_token_id": 2},
    "PegasusConfig": {"pad_token_id": 0, "decoder_start_token_id": 0, "eos_token_id": 1},
    "PLBartConfig": {"pad_token_id": 1, "decoder_start_token_id": 2, "eos_token_id": 2},
    "BlenderbotConfig": {"pad_token_id": 0, "decoder_start_token_id": 1, "eos_token_id": 2},
    "MvpConfig": {"pad_token_id": 1, "decoder_start_token_id": 2, "eos_token_id": 2},
}
"""Special tokens as real models have them, by which some of these count positions."""


@pytest.mark.parametrize("name", KIN)
def test_the_kin_of_bart(name, words, ragged, tmp_path):
    config = getattr(transformers, name)(**{**BART_SIZES, "vocab_size": 60, **KIN[name]})
    specimen = ModelUnderTest.tiny(Mvp() if name == "MvpConfig" else Bart(), config, torch.float32, 1e-5)
    for table in (specimen.model.get_input_embeddings(), specimen.model.get_output_embeddings()):
        table.weight.data[config.pad_token_id] = 0  # Marian starts from nothing
    small = specimen.cut(ragged(specimen.graph)).eval()
    tokenizer = words(config, {config.pad_token_id: "<pad>"})
    vocabulary = to_ctranslate2.export_ctranslate2(
        small, specimen.adapter, specimen.graph, tokenizer, tmp_path / "out", "float32"
    )
    found = check_ctranslate2(small, specimen.adapter, tmp_path / "out", vocabulary, exact=True)
    assert (found.equal, found.rows) == (16, 16)
    assert found.difference < 1e-5


@pytest.mark.parametrize("family", ["t5", "bart"])
@pytest.mark.parametrize("told", [True, False], ids=["config says so", "config does not"])
def test_a_smaller_vocabulary(case, words, ragged, tmp_path, family, told):
    """50 rows are left of 60, and the tokenizer knows 45 of them."""
    own = case(family)
    small = own.cut(ragged(own.graph)).float().eval()
    small.resize_token_embeddings(50)
    if not told:
        small.config.vocab_size = 60
    vocabulary = to_ctranslate2.export_ctranslate2(
        small, own.adapter, own.graph, words(own.config, rows=45), tmp_path / "out", "float32"
    )
    assert vocabulary[:45] == [f"w{n}" for n in range(45)]
    assert len(vocabulary) == 50
    found = check_ctranslate2(small, own.adapter, tmp_path / "out", vocabulary, exact=True)
    assert (found.equal, found.rows) == (16, 16)


def test_every_row_has_a_name_of_its_own(case, words, tmp_path):
    """T5's tables have more rows than its tokenizer knows words; the stock loader calls these as others are called."""
    t5 = case("t5")
    tokenizer = words(t5.config, {40: "<extra_id_1>", 41: "<extra_id_0>"}, rows=42)
    vocabulary = to_ctranslate2.export_ctranslate2(
        t5.model, t5.adapter, t5.graph, tokenizer, tmp_path / "out", "float32"
    )
    assert vocabulary[38:44] == ["w38", "w39", "<extra_id_1>", "<extra_id_0>", "<unused_42>", "<unused_43>"]
    assert len(set(vocabulary)) == 60
    found = check_ctranslate2(t5.model, t5.adapter, tmp_path / "out", vocabulary, exact=True, rows=100)
    assert (found.equal, found.rows) == (100, 100)


def test_a_tokenizer_may_have_gaps(case, words, tmp_path):
    """Rows keep their numbers, where CTranslate2's own converter would count the tokens through."""
    t5 = case("t5")
    tokenizer = words(t5.config, {40: "w41", 41: "w41"})  # w41 stands for one of the two, and the other is nobody
    gap = 81 - tokenizer.convert_tokens_to_ids("w41")
    vocabulary = to_ctranslate2.export_ctranslate2(
        t5.model, t5.adapter, t5.graph, tokenizer, tmp_path / "out", "float32"
    )
    assert [vocabulary[row] for row in (39, gap, 81 - gap, 42, 59)] == ["w39", f"<unused_{gap}>", "w41", "w42", "w59"]
    found = check_ctranslate2(t5.model, t5.adapter, tmp_path / "out", vocabulary, exact=True, rows=100)
    assert (found.equal, found.rows) == (100, 100)
