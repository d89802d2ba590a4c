"""CTranslate2's Whisper asked as the model asks itself: both tasks, languages that are told or heard, timestamps."""

import copy

import pytest
import torch

from prunekit import PrunekitError
from prunekit.export import to_ctranslate2
from prunekit.export.ctranslate2_parity import check_ctranslate2
from prunekit.export.whisper_backend import OWN_WORDS, WhisperBackend

ctranslate2 = pytest.importorskip("ctranslate2")


def exported(made, place, **settings):
    """A copy of a Whisper with other generation settings, and its export's vocabulary."""
    specimen, tokenizer = made
    model = copy.deepcopy(specimen.model)
    for key, value in settings.items():
        setattr(model.generation_config, key, value)
    words = to_ctranslate2.export_ctranslate2(model, specimen.adapter, specimen.graph, tokenizer, place, "float32")
    return model, WhisperBackend(model, specimen.adapter, place, words, 4)


@pytest.mark.parametrize("times", [False, True], ids=["silent", "timed"])
@pytest.mark.parametrize("task", ["transcribe", "translate"])
@pytest.mark.parametrize("language", ["de", None], ids=["told", "heard"])
def test_the_engine_is_asked_as_the_model_is(whisper, tmp_path, language, task, times):
    made = whisper()
    settings = {"language": language, "task": task, "return_timestamps": times}
    model, backend = exported(made, tmp_path, **settings)
    number = made[1].convert_tokens_to_ids
    rows = backend.prompts
    assert {row[0] for row in rows} == {number("<|startoftranscript|>")}
    assert {row[2] for row in rows} == {number(f"<|{task}|>")}
    assert all((number("<|notimestamps|>") in row) != times for row in rows)
    if language:
        assert {row[1] for row in rows} == {number("<|de|>")}
    found = check_ctranslate2(model, made[0].adapter, tmp_path, backend.vocabulary, exact=True)
    assert (found.equal, found.rows) == (4, 4)
    assert found.difference < 1e-5


def test_the_language_is_the_one_that_the_model_hears(whisper, tmp_path):
    """By hand: the likeliest of the three languages after the start, for each recording."""
    made = whisper()
    model, backend = exported(made, tmp_path)
    ids = sorted(model.generation_config.lang_to_id.values())
    with torch.no_grad():
        start = torch.full((4, 1), model.config.decoder_start_token_id)
        logits = model(**backend.inputs, decoder_input_ids=start).logits[:, 0]
    assert [row[1] for row in backend.prompts] == [ids[place] for place in logits[:, ids].argmax(-1).tolist()]


def test_the_engine_hears_languages_itself(whisper, tmp_path):
    """What it hears is compared too: faster-whisper asks it where no language is told."""
    made = whisper()
    model, backend = exported(made, tmp_path)
    assert backend.engine.is_multilingual
    found, expected = backend.score_forced()
    torch.testing.assert_close(found[-4:], expected[-4:], atol=1e-5, rtol=1e-5)
    ids = sorted(model.generation_config.lang_to_id.values())
    with torch.no_grad():
        start = torch.full((4, 1), model.config.decoder_start_token_id)
        heard = model(**backend.inputs, decoder_input_ids=start).logits[:, 0, ids].log_softmax(-1).max(-1)
    torch.testing.assert_close(expected[-4:, 0], heard.values)
    detected = backend.engine.detect_language(backend.features)
    assert [row[0][0] for row in detected] == [backend.vocabulary[ids[place]] for place in heard.indices.tolist()]


@pytest.mark.parametrize("spare", [True, False], ids=["told apart", "not"])
@pytest.mark.parametrize("multilingual", [True, False])
def test_the_engine_knows_whether_languages_are_told(whisper, tmp_path, caplog, multilingual, spare):
    """By an empty word, for which an unused one gives its name; where there is none, a warning says so."""
    specimen, tokenizer = whisper(multilingual=multilingual, spare=spare)
    _, backend = exported((specimen, tokenizer), tmp_path)
    assert backend.engine.is_multilingual == (multilingual and spare)
    assert ("takes this Whisper for an English one" in caplog.text) == (multilingual and not spare)
    said = tokenizer.convert_ids_to_tokens(range(len(backend.vocabulary)))
    renamed = [word for word, own in zip(said, backend.vocabulary, strict=True) if word != own]
    assert renamed == (["<|startoflm|>"] if multilingual and spare else [])


def test_a_wrong_language_token_is_found(whisper, tmp_path):
    """A row of the table that only a German prompt reads is wrong in the export."""
    made = whisper()
    model, backend = exported(made, tmp_path, language="de", task="transcribe")
    other = copy.deepcopy(model)
    other.get_input_embeddings().weight.data[made[1].convert_tokens_to_ids("<|de|>")] *= -1
    with pytest.raises(PrunekitError, match="differs from the pruned one"):
        check_ctranslate2(other, made[0].adapter, tmp_path, backend.vocabulary, exact=True)


def test_a_model_that_starts_or_ends_otherwise_is_refused(whisper, tmp_path):
    with pytest.raises(PrunekitError, match=r"ends a transcription with '<\|endoftext\|>' \(50\), and .* 'w7' \(7\)"):
        exported(whisper(), tmp_path, eos_token_id=7)
    with pytest.raises(PrunekitError, match=r"starts a transcription with .* \(51\), and .* 'w9' \(9\)"):
        exported(whisper(), tmp_path, decoder_start_token_id=9)


@pytest.mark.parametrize("lacking", OWN_WORDS)
def test_whisper_needs_its_own_tokens(case, tmp_path, lacking):
    vocabulary = [word for word in ("a", *OWN_WORDS) if word != lacking]
    with pytest.raises(ValueError, match="transcribes by Whisper's own tokens, and the tokenizer has no"):
        WhisperBackend(case("bart").model, case("bart").adapter, tmp_path, vocabulary, 2)
