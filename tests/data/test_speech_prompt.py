"""The prompt of multilingual speech models: against what Whisper's own tokenizer writes."""

import logging

import pytest
from transformers import GenerationConfig

from prunekit.data.speech_prompt import SpeechPrompt, hears_languages, prompt_for, speech_language, token_tables
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection


def prompt(tokenizer, own=None, generation=None, **section):
    return prompt_for(tokenizer, TaskSection(**section), GenerationConfig(**(own or {})), generation or {})


@pytest.mark.parametrize("task", ["transcribe", "translate"])
@pytest.mark.parametrize("timestamps", [False, True])
def test_the_tokens_are_those_of_the_tokenizers_own_prefix(whisper_tokenizer, task, timestamps):
    asked = SpeechPrompt("de", task, timestamps)
    asked.tell(whisper_tokenizer)
    written = whisper_tokenizer.convert_ids_to_tokens(whisper_tokenizer("")["input_ids"])
    assert tuple(written) == ("<|startoftranscript|>", *asked.tokens, "<|endoftext|>")
    assert asked.length == len(written) - 1


def test_a_guessed_language_has_its_place_too():
    assert (SpeechPrompt(None).length, SpeechPrompt("de").length) == (4, 4)
    assert "language" not in SpeechPrompt(None).settings


@pytest.mark.parametrize("name", ["de", "DE", "german", "German", "<|de|>"])
def test_a_language_has_several_names(whisper_tokenizer, name):
    assert speech_language(whisper_tokenizer, name) == "de"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("xx", "has no language 'xx'; it has 3, such as de, en, zh"),
        ("germann", "has no language 'germann'; did you mean 'german'"),
        ("fr", "has no language 'fr'"),
        (["de"], "name one language, such as 'de'"),
    ],
)
def test_an_unknown_language_is_refused(whisper_tokenizer, name, sentence):
    with pytest.raises(PrunekitError, match=sentence):
        speech_language(whisper_tokenizer, name)


@pytest.mark.parametrize(
    ("section", "generation", "own", "expected"),
    [
        ({"target_language": "german"}, {}, {}, SpeechPrompt("de")),
        ({"source_language": "de"}, {}, {}, SpeechPrompt("de")),
        ({}, {"language": "de", "task": "translate"}, {}, SpeechPrompt("de", "translate")),
        ({}, {}, {"language": "<|de|>", "task": "translate"}, SpeechPrompt("de", "translate")),
        ({"target_language": "zh"}, {}, {"language": "de"}, SpeechPrompt("zh")),
        ({"target_language": "de"}, {"return_timestamps": True}, {}, SpeechPrompt("de", timestamps=True)),
        (
            {"source_language": "de", "target_language": "en"},
            {"task": "translate"},
            {},
            SpeechPrompt("de", "translate"),
        ),
    ],
)
def test_the_recipe_comes_before_the_model(whisper_tokenizer, section, generation, own, expected):
    assert prompt(whisper_tokenizer, own, generation, **section) == expected


@pytest.mark.parametrize(
    ("section", "generation", "sentence"),
    [
        ({"target_language": "xx"}, {"language": "de"}, "has no language 'xx'"),
        ({"target_language": "zh"}, {"language": "de"}, "generation.language 'de' and task.target_language 'zh'"),
        ({"target_language": "de"}, {"task": "sing"}, "generation.task is 'sing'; it can be"),
    ],
)
def test_what_cannot_be_asked_is_refused(whisper_tokenizer, section, generation, sentence):
    with pytest.raises(PrunekitError, match=sentence):
        prompt(whisper_tokenizer, {}, generation, **section)


def test_a_language_that_nobody_names_is_a_warning(whisper_tokenizer, caplog):
    with caplog.at_level(logging.WARNING):
        assert prompt(whisper_tokenizer) is None
    assert "set task.target_language" in caplog.text


def test_english_only_models_and_others_take_no_language(whisper_tokenizer, letters):
    assert hears_languages(whisper_tokenizer, GenerationConfig())
    assert not hears_languages(whisper_tokenizer, GenerationConfig(is_multilingual=False))
    assert not hears_languages(letters, GenerationConfig())


def test_the_tables_name_the_tokenizers_tokens(whisper_tokenizer):
    number = whisper_tokenizer.convert_tokens_to_ids
    tables = dict(token_tables(whisper_tokenizer))
    assert tables["lang_to_id"]["<|zh|>"] == number("<|zh|>")
    assert tables["task_to_id"] == {name: number(f"<|{name}|>") for name in ("transcribe", "translate")}


@pytest.mark.parametrize(
    ("section", "generation", "told"),
    [
        ({"task_column": "what"}, {"task": "translate"}, ["task.task_column 'what'", "generation.task 'translate'"]),
        (
            {"source_language_column": "lang"},
            {"language": "de"},
            ["task.source_language_column 'lang'", "generation.language 'de'"],
        ),
        ({"source_language_column": "lang"}, {"task": "translate"}, []),
    ],
)
def test_a_setting_beside_a_column_of_the_same_is_said_to_ask_no_row(
    whisper_tokenizer, caplog, section, generation, told
):
    with caplog.at_level(logging.WARNING):
        prompt(whisper_tokenizer, generation=generation, **section)
    assert ("Rows are asked by" in caplog.text) == bool(told)
    assert all(words in caplog.text for words in told)
