"""Whisper for CTranslate2: what it hears, says and aligns is what the pruned model does, on a hundred sounds."""

import copy
import json

import numpy as np
import pytest
import torch
from transformers import GenerationMixin, WhisperConfig, WhisperFeatureExtractor
from typer.testing import CliRunner

from prunekit import Kind, PrunekitError, PruningPlan
from prunekit.cli import app
from prunekit.conformance import ModelUnderTest
from prunekit.cut import checkpoint
from prunekit.export import to_ctranslate2
from prunekit.export.ctranslate2_parity import check_ctranslate2
from prunekit.export.to_plain import padded_model
from prunekit.testing.models import BART_SIZES
from prunekit_adapters.whisper import Whisper

ctranslate2 = pytest.importorskip("ctranslate2")

OWN = ("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>", "<|0.00|>")
END, START, ENGLISH, GERMAN, _, SILENT, _ = range(53, 60)
NAMES = dict(zip(range(53, 60), OWN, strict=True))
SIZES = {key: size for key, size in BART_SIZES.items() if key != "max_position_embeddings"}
SIZES |= {"num_mel_bins": 8, "max_source_positions": 24, "max_target_positions": 40, "vocab_size": 60}
TOKENS = {"pad_token_id": END, "bos_token_id": END, "eos_token_id": END, "decoder_start_token_id": START}
PAIRS = [[0, 1], [1, 0], [2, 3], [3, 3], [3, 1]]
NEW = 12


@pytest.fixture(scope="module")
def dense():
    """A tiny Whisper of two languages, with all that a real one's generation config says."""
    quiet = {"suppress_tokens": None, "begin_suppress_tokens": None}
    specimen = ModelUnderTest.tiny(Whisper(), WhisperConfig(**SIZES, **TOKENS, **quiet), torch.float32)
    own = specimen.model.generation_config
    own.suppress_tokens, own.begin_suppress_tokens, own.alignment_heads = [7, START], [4, END], PAIRS
    own.lang_to_id, own._from_model_config = {"<|de|>": GERMAN, "<|en|>": ENGLISH}, False
    return specimen


@pytest.fixture(scope="module")
def tokenizer(dense, words):
    return words(dense.config, NAMES)


@pytest.fixture(scope="module")
def sounds():
    return torch.randn(100, 8, 48, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def stock(dense, tokenizer, sounds, hundred, tmp_path_factory):
    """How far log-probabilities of the stock converter's export of the dense model are from it."""
    place = tmp_path_factory.mktemp("stock")
    converted(copy.deepcopy(dense.model), tokenizer, place)
    return apart(dense.model, place, sounds, hundred)[0]


def converted(model, tokenizer, place):
    """By CTranslate2's own converter."""
    to_ctranslate2.ctranslate2_library()
    spec = ctranslate2.converters.transformers._MODEL_LOADERS["WhisperConfig"](model, tokenizer)
    spec.validate()
    spec.optimize("float32")
    place.mkdir(exist_ok=True)
    spec.save(str(place))


def view(features):
    return ctranslate2.StorageView.from_array(features.numpy())


def apart(model, place, sounds, rows):
    """The largest difference of any word's log-probability at any step, and what the engine said to each sound.

    The decoder is given some words of each row first, so that not all stutter alike.
    """
    prompts = [[START, SILENT, *answer[:3]] for _, answer in rows]
    results = ctranslate2.models.Whisper(str(place)).generate(
        view(sounds),
        prompts,
        beam_size=1,
        max_length=2 * (3 + NEW),
        suppress_blank=False,
        suppress_tokens=[],
        return_logits_vocab=True,
    )
    said, worst = [result.sequences_ids[0] for result in results], 0.0
    for sound, result, ids in zip(sounds, results, said, strict=True):
        found = torch.tensor(np.array([np.array(step) for step in result.logits[0]])).log_softmax(-1)
        with torch.no_grad():
            logits = model(input_features=sound[None], decoder_input_ids=torch.tensor([[START, SILENT, *ids]])).logits[
                0
            ]
        worst = max(worst, float((found - logits.log_softmax(-1)[1:][: len(found)]).abs().max()))
    return worst, said


@pytest.mark.parametrize(
    "narrow", [(), ("encoder.hidden",), ("encoder.hidden", "decoder.hidden")], ids=["full", "narrow encoder", "narrow"]
)
def test_a_hundred_sounds(dense, tokenizer, stock, ragged, sounds, hundred, narrow, tmp_path):
    small = dense.cut(ragged(dense.graph, narrow)).eval()
    to_ctranslate2.export_ctranslate2(small, dense.adapter, dense.graph, tokenizer, tmp_path, "float32")
    with torch.no_grad():
        states = small.get_encoder()(sounds).last_hidden_state
    heard = np.array(ctranslate2.models.Whisper(str(tmp_path)).encode(view(sounds)))
    np.testing.assert_allclose(heard, states, atol=1e-5 * float(states.abs().max()))
    worst, said = apart(small, tmp_path, sounds, hundred)
    tolerance = max(1e-4, 2 * stock)
    assert worst <= tolerance
    assert len({tuple(ids[3:]) for ids in said}) > 5, "a model that says the same of everything proves nothing"
    small.generation_config.suppress_tokens = small.generation_config.begin_suppress_tokens = None
    output = GenerationMixin.generate(
        small,
        input_features=sounds,
        decoder_input_ids=torch.tensor([[START, SILENT, *answer[:3]] for _, answer in hundred]),
        max_new_tokens=NEW,
        output_scores=True,
        return_dict_in_generate=True,
    )
    for row, (ids, own) in enumerate(zip(output.sequences[:, 2:].tolist(), said, strict=True)):
        answer = ids[: ids.index(END)] if END in ids else ids
        if answer != own:
            flip = next(n for n in range(3 + NEW) if answer[n : n + 1] != own[n : n + 1])
            best = output.scores[flip - 3][row].log_softmax(-1).topk(2).values
            assert best[0] - best[1] <= 2 * tolerance, (answer, own)


PLAN = PruningPlan(
    {f"decoder.{n}.self.heads": (0, 2, 3) for n in range(4)}
    | {"decoder.layers": (1, 2, 3), "decoder.1.cross.heads": (0, 3)}
    | {"decoder.2.cross.heads": (), "decoder.3.cross.heads": (1, 3)}
)


def test_words_are_timed_by_the_same_heads(dense, tokenizer, sounds, tmp_path):
    """By hand: layer 0 goes, layer 2 has no heads left, and layer 3's heads 1 and 3 stay, behind one of zeros for 0.

    A stock conversion of the same model in dense shapes aligns alike, by the dense numbers.
    """
    small = dense.cut(PLAN).eval()
    to_ctranslate2.export_ctranslate2(small, dense.adapter, dense.graph, tokenizer, tmp_path / "ours", "float32")
    heads = json.loads((tmp_path / "ours/config.json").read_text())["alignment_heads"]
    assert heads == [[0, 0], [2, 2], [2, 1]]
    assert small.generation_config.alignment_heads == [[0, 0], [2, 1], [2, 0]]
    converted(padded_model(small, dense.adapter, dense.graph), tokenizer, tmp_path / "stock")
    texts = [[5, 6, 7, 8, 9], [10, 11], [12, 13, 14, 15]]
    ours, theirs = (
        ctranslate2.models.Whisper(str(tmp_path / name)).align(view(sounds[:3]), [START, ENGLISH], texts, [48] * 3)
        for name in ("ours", "stock")
    )
    for one, other in zip(ours, theirs, strict=True):
        assert one.alignments == other.alignments
        np.testing.assert_allclose(one.text_token_probs, other.text_token_probs, rtol=1e-4)


@pytest.mark.parametrize("listed", [True, False])
def test_without_the_heads_that_timed_words_none_does(dense, tokenizer, sounds, listed, tmp_path):
    """As in the generation config, which then lists no heads: others would give times that mean nothing."""
    model = copy.deepcopy(dense.model)
    model.generation_config.alignment_heads = [[3, 0]] if listed else None
    small = dense.cut(PruningPlan({f"decoder.{n}.cross.heads": () for n in (2, 3)}), model).eval()
    to_ctranslate2.export_ctranslate2(small, dense.adapter, dense.graph, tokenizer, tmp_path, "float32")
    heads = json.loads((tmp_path / "config.json").read_text())["alignment_heads"]
    assert heads == (getattr(small.generation_config, "alignment_heads", None) or [])
    with pytest.raises(ValueError, match="rank 0"):
        ctranslate2.models.Whisper(str(tmp_path)).align(view(sounds[:1]), [START], [[5, 6, 7]], [48])


def test_the_command_writes_all_that_a_transcription_needs(dense, tokenizer, ragged, tmp_path):
    small = dense.cut(ragged(dense.graph)).eval()
    checkpoint.save(small, tmp_path / "small", tokenizer)
    WhisperFeatureExtractor(feature_size=8, chunk_length=1).save_pretrained(tmp_path / "small")
    words = ["export", str(tmp_path / "small"), "--to", "ctranslate2", "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.stderr
    assert "equal for 4 of 4 inputs" in " ".join(done.stdout.split())
    settings = json.loads((tmp_path / "out/config.json").read_text())
    assert (settings["suppress_ids"], settings["suppress_ids_begin"]) == ([7, START], [4, END])
    assert settings["lang_ids"] == [ENGLISH, GERMAN]
    assert (tmp_path / "out/preprocessor_config.json").exists()
    sizes = [(tmp_path / name).stat().st_size for name in ("out/model.bin", "small/model.safetensors")]
    assert sizes[0] < 1.5 * sizes[1]


def test_a_wrong_export_is_found(dense, tokenizer, tmp_path, monkeypatch):
    """The scale that the engine would take by itself is that of heads as wide as the stack has room for."""
    small = dense.cut(PruningPlan({g.name: g.ids[2:] for g in dense.groups(Kind.HEADS)})).eval()
    monkeypatch.setattr(to_ctranslate2, "_scale_queries", lambda spec: None)
    vocabulary = to_ctranslate2.export_ctranslate2(small, dense.adapter, dense.graph, tokenizer, tmp_path, "float32")
    with pytest.raises(PrunekitError, match="differs from the pruned one"):
        check_ctranslate2(small, dense.adapter, tmp_path, vocabulary, exact=True)


def test_a_tokenizer_without_whispers_own_tokens_gets_one_sentence(dense, words, tmp_path):
    vocabulary = to_ctranslate2.export_ctranslate2(
        dense.model, dense.adapter, dense.graph, words(dense.config), tmp_path, "float32"
    )
    with pytest.raises(
        PrunekitError, match=r"by Whisper's own tokens, and the tokenizer has no <\|startoftranscript\|>"
    ):
        check_ctranslate2(dense.model, dense.adapter, tmp_path, vocabulary, exact=True)
