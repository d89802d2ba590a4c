"""Exports to CTranslate2: its engine scores and decodes like the pruned model, and what it cannot do is said."""

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner

from prunekit import Kind, PruningPlan
from prunekit.cli import app
from prunekit.conform import Specimen
from prunekit.cut import checkpoint, ct2
from prunekit.measure import parity
from prunekit.testing.models import BART_SIZES
from prunekit_adapters.bart import Bart

ctranslate2 = pytest.importorskip("ctranslate2")


def words(config):
    """A tokenizer with a word for every row of the table."""
    core = Tokenizer(models.WordLevel({f"w{n}": n for n in range(config.vocab_size)}, unk_token="w2"))
    special = {name: f"w{getattr(config, f'{name}_id', None) or 0}" for name in ("pad_token", "eos_token", "bos_token")}
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="w2", **special)


def ragged(case, *more):
    """No layer like another, an emptied attention, and the first decoder layer gone."""
    kept = {g.name: g.ids[1:] for g in case.graph.groups if g.name == "decoder.layers"}
    for number, group in enumerate(g for g in case.graph.groups if g.kind in (Kind.HEADS, Kind.FFN)):
        kept[group.name] = group.ids[number % 3 :]
    kept["encoder.1.self.heads"] = ()
    for group in more:
        kept[group.name] = group.ids[3:]
    return PruningPlan(kept)


def saved(case, plan, place):
    small = case.cut(plan).float().eval()
    checkpoint.save(small, place, words(case.config))
    return small


def run(source, target, *more):
    return CliRunner().invoke(app, ["export", str(source), "--to", "ctranslate2", "--output", str(target), *more])


@pytest.mark.parametrize("hidden", [False, True], ids=["full", "narrow encoder"])
def test_every_family_scores_and_decodes_the_same(every, tmp_path, hidden):
    more = [g for g in every.graph.groups if g.name == "encoder.hidden"] if hidden else []
    if hidden and not more:
        pytest.skip("the family's encoder has no width of its own")
    small = saved(every, ragged(every, *more), tmp_path / "small")
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


def test_int8_is_written_and_its_distance_said(case, tmp_path):
    saved(case("t5"), ragged(case("t5")), tmp_path / "small")
    done = run(tmp_path / "small", tmp_path / "out", "--quantization", "int8")
    assert done.exit_code == 0, done.stderr
    assert "scores differ by" in done.stdout
    sizes = [(tmp_path / name).stat().st_size for name in ("out/model.bin", "small/model.safetensors")]
    assert sizes[0] < sizes[1]


def test_a_wrong_scale_is_found_and_nothing_written(case, tmp_path, monkeypatch):
    saved(case("t5"), ragged(case("t5")), tmp_path / "small")
    monkeypatch.setattr(ct2, "_scale", lambda model, adapter: 0.5)
    done = run(tmp_path / "small", tmp_path / "out")
    assert done.exit_code == 1
    assert "differs from the pruned one" in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("what", ["int9", "library"])
def test_what_cannot_be_is_one_sentence(case, tmp_path, monkeypatch, what):
    saved(case("t5"), ragged(case("t5")), tmp_path / "small")
    if what == "library":
        monkeypatch.setitem(__import__("sys").modules, "ctranslate2", None)
        done, sentence = run(tmp_path / "small", tmp_path / "out"), "install 'prunekit[ctranslate2]'"
    else:
        done = run(tmp_path / "small", tmp_path / "out", "--quantization", "int9")
        sentence = "refuses the quantization 'int9'"
    assert done.exit_code == 1
    assert sentence in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()


KIN = {
    "MarianConfig": {"pad_token_id": 59, "decoder_start_token_id": 59, "eos_token_id": 0},
    "M2M100Config": {"pad_token_id": 1, "decoder_start_token_id": 2, "eos_token_id": 2, "bos_token_id": 0},
    "MBartConfig": {"pad_token_id": 1, "decoder_start_token_id": 2, "eos_token_id": 2},
    "PegasusConfig": {"pad_token_id": 0, "decoder_start_token_id": 0, "eos_token_id": 1},
}
"""Special tokens as real models have them, by which some of these count positions."""


@pytest.mark.parametrize("name", KIN)
def test_the_kin_of_bart(name, tmp_path):
    config = getattr(transformers, name)(**{**BART_SIZES, "vocab_size": 60, **KIN[name]})
    specimen = Specimen.tiny(Bart(), config, torch.float32, 1e-5)
    for table in (specimen.model.get_input_embeddings(), specimen.model.get_output_embeddings()):
        table.weight.data[config.pad_token_id] = 0  # Marian starts from nothing
    kept = {g.name: g.ids[1:] for g in specimen.graph.groups if g.name == "decoder.layers"}
    for number, group in enumerate(specimen.groups(Kind.HEADS, Kind.FFN)):
        kept[group.name] = group.ids[number % 3 :]
    small = specimen.cut(PruningPlan(kept)).eval()
    padding = f"w{config.pad_token_id}"
    words = {("<pad>" if f"w{n}" == padding else f"w{n}"): n for n in range(60)}
    core = Tokenizer(models.WordLevel(words, unk_token="w3"))
    special = {"pad_token": "<pad>", "eos_token": f"w{config.eos_token_id}", "bos_token": f"w{config.eos_token_id}"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="w3", **special)
    vocabulary = ct2.write(small, Bart(), specimen.graph, tokenizer, tmp_path / "out", "float32")
    found = parity.of_translator(small, tmp_path / "out", vocabulary, exact=True)
    assert (found.equal, found.rows) == (16, 16)
    assert found.difference < 1e-5
