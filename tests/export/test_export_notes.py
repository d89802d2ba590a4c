"""What a user is told: the call that asks an export as `generate` asks the model, run as it is printed."""

import copy
import re

import pytest
import torch
import transformers
from typer.testing import CliRunner

from prunekit.cli import app
from prunekit.conformance import ModelUnderTest
from prunekit.cut import checkpoint
from prunekit.export.export_notes import export_notes
from prunekit.export.formats import ExportFormat
from prunekit.testing.models import BART_SIZES
from prunekit_adapters.bart import Bart

ctranslate2 = pytest.importorskip("ctranslate2")

GERMAN, FRENCH = 10, 11
SPECIAL = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}
KINDS = {
    "NLLB": ("M2M100Config", "deu_Latn", {"forced_bos_token_id": GERMAN}, [GERMAN]),
    "M2M-100": ("M2M100Config", "__de__", {"forced_bos_token_id": GERMAN}, [GERMAN]),
    "mBART-50": ("MBartConfig", "de_DE", {"forced_bos_token_id": GERMAN}, [GERMAN]),
    "mBART": ("MBartConfig", "de_DE", {"decoder_start_token_id": GERMAN}, [GERMAN]),
    "PLBart": ("PLBartConfig", "__java__", {"decoder_start_token_id": GERMAN}, [GERMAN]),
    "BART": ("BartConfig", "deu_Latn", {"forced_bos_token_id": 0, "eos_token_id": [2, 30, 31]}, [0]),
    "a config that says something else": ("BartConfig", "deu_Latn", {"decoder_start_token_id": 9}, []),
}


@pytest.fixture
def exported(words, tmp_path):
    """Saves a model of a kind with other generation settings, and exports it; returns it and what was said."""

    def make(name, language, settings, place="out"):
        config = getattr(transformers, name)(**{**BART_SIZES, "vocab_size": 60}, **SPECIAL, forced_eos_token_id=None)
        specimen = ModelUnderTest.tiny(Bart(), config, torch.float32)
        own = specimen.model.generation_config
        own._from_model_config = False
        for key, value in settings.items():
            setattr(own, key, value)
        tokenizer = words(config, {GERMAN: language, FRENCH: language.replace("de", "fr").replace("java", "php")})
        tokenizer.add_special_tokens({"extra_special_tokens": tokenizer.convert_ids_to_tokens([GERMAN, FRENCH])})
        checkpoint.save(specimen.model, tmp_path / "model", tokenizer)
        command = ["export", str(tmp_path / "model"), "--to", "ctranslate2", "--output", str(tmp_path / place)]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.stderr
        return specimen.model, tokenizer, done.stdout

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_the_call_that_is_printed_gives_what_generate_gives(exported, tmp_path, kind):
    name, language, settings, first = KINDS[kind]
    model, tokenizer, said = exported(name, language, settings)
    call = re.search(r"it is: (translator\.translate_batch\(tokens.*)\)", said)[1]
    assert ("target_prefix" in call) == bool(first)
    assert (repr([language]) in call) == (first == [GERMAN])
    sources = [[5, 6, 7, 8], [20, 21], [33, 5, 40]]
    names = {"tokens": [tokenizer.convert_ids_to_tokens(row) for row in sources]}
    names["translator"] = ctranslate2.Translator(str(tmp_path / "out"))
    answers = eval(f"{call}, max_decoding_length=9)", names)
    for row, answer in zip(sources, answers, strict=True):
        output = model.generate(input_ids=torch.tensor([row]), max_new_tokens=9)[0].tolist()
        start, ends = output[0], model.generation_config.eos_token_id
        assert start == model.generation_config.decoder_start_token_id
        own = [token for token in output[1:] if token not in (ends if isinstance(ends, list) else [ends])]
        given = tokenizer.convert_tokens_to_ids(answer.hypotheses[0])
        assert given == own
        assert first in ([start], given[:1], [])


def test_beams_and_lengths_are_part_of_the_call(exported):
    settings = {"num_beams": 4, "length_penalty": 0.5, "no_repeat_ngram_size": 3, "max_length": 33}
    _, _, said = exported("BartConfig", "deu_Latn", settings)
    call = re.search(r"it is: ([^)]*\))", " ".join(said.split()))[1]
    options = eval(f"dict{re.sub(r'.*translate_batch.tokens, ', '(', call)}")
    assert options == {
        "beam_size": 4,
        "min_decoding_length": 0,
        "length_penalty": 0.5,
        "no_repeat_ngram_size": 3,
        "max_decoding_length": 32,
    }


def test_a_language_that_nobody_set_is_left_to_the_user(exported):
    """Whose tokenizer knows two; a BART that has none is not asked for one."""
    _, _, said = exported("M2M100Config", "deu_Latn", {})
    assert "name it for each text where it matters, as in target_prefix=[['deu_Latn'], ...]" in " ".join(said.split())
    _, _, said = exported("M2M100Config", "deu_Latn", {"forced_bos_token_id": FRENCH}, place="second")
    assert "No language" not in said


def test_tokens_that_differ_are_named_with_their_numbers(exported):
    _, _, said = exported("BartConfig", "deu_Latn", {"eos_token_id": 7, "decoder_start_token_id": 9})
    said = " ".join(said.split())
    assert (
        "tokenizer ends texts with 'w2' (2), but the generation config, which generate follows, says 'w7' (7)" in said
    )
    assert (
        "config starts answers with 'w2' (2), but the generation config, which generate follows, says 'w9' (9)" in said
    )


@pytest.mark.parametrize(
    ("settings", "call"),
    [
        ({"language": "german", "task": "translate"}, "language='de', task='translate', beam_size=1, {}=True"),
        ({"task": "transcribe", "return_timestamps": True}, "task='transcribe', beam_size=1, {}=False"),
    ],
)
def test_whisper_is_asked_for_its_language_and_task(whisper, settings, call):
    specimen, tokenizer = whisper()
    model = copy.deepcopy(specimen.model)
    for key, value in settings.items():
        setattr(model.generation_config, key, value)
    notes = list(export_notes(model, ExportFormat.CTRANSLATE2, tokenizer, extractor="any"))
    assert notes[-1].endswith(f".transcribe(audio, {call.format('without_timestamps')})")


def test_an_english_whisper_is_told_neither(whisper):
    specimen, tokenizer = whisper(multilingual=False)
    notes = list(export_notes(specimen.model, ExportFormat.CTRANSLATE2, tokenizer, extractor="any"))
    assert notes[-1].endswith(".transcribe(audio, beam_size=1, without_timestamps=True)")


@pytest.mark.parametrize("to", [ExportFormat.PLAIN, ExportFormat.CTRANSLATE2])
def test_lost_timestamps_are_told(whisper, to):
    specimen, tokenizer = whisper()
    model = copy.deepcopy(specimen.model)
    assert any("no word timestamps" in note for note in export_notes(model, to, tokenizer, extractor="any"))
    model.generation_config.alignment_heads = [[0, 1]]
    assert not any("timestamps:" in note for note in export_notes(model, to, tokenizer, extractor="any"))


def test_a_missing_extractor_is_told(whisper):
    specimen, tokenizer = whisper()
    notes = list(export_notes(specimen.model, ExportFormat.CTRANSLATE2, tokenizer))
    assert any("without a feature extractor" in note for note in notes)


def test_other_models_and_formats_need_no_words(case, words):
    t5 = case("t5")
    assert not list(export_notes(t5.model, ExportFormat.PLAIN))
    assert not list(export_notes(t5.model, ExportFormat.ONNX))
    (call,) = export_notes(t5.model, ExportFormat.CTRANSLATE2, words(t5.config))
    assert call.endswith("translate_batch(tokens, beam_size=1, min_decoding_length=0)")
