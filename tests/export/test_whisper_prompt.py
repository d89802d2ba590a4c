"""Whisper's prompt: the tokens that its own `generate` gives the decoder, whatever the generation config says."""

import copy

import pytest
import torch

from prunekit.export.whisper_prompt import is_multilingual, language_token, prompt_of

CASES = {
    "German": {"language": "de", "task": "transcribe"},
    "a translation": {"language": "<|zh|>", "task": "translate"},
    "by its name": {"language": "german"},
    "heard": {},
    "heard and translated": {"task": "translate"},
    "with times": {"language": "en", "task": "transcribe", "return_timestamps": True},
    "heard, with times": {"return_timestamps": True},
    "an old checkpoint": {"forced_decoder_ids": [[1, None], [2, 56], [3, 60]]},
    "an old one in Chinese": {"forced_decoder_ids": [[1, 53], [2, 55]]},
}


@pytest.fixture(scope="module")
def own(whisper):
    return whisper()


def asked(model):
    """What the decoder is given when `generate` asks for the first token of each of two answers."""
    given = []
    forward = model.forward

    def watched(*args, **kwargs):
        given.append(kwargs["decoder_input_ids"].tolist())
        return forward(*args, **kwargs)

    model.forward = watched
    features = torch.randn(2, 8, 48, generator=torch.Generator().manual_seed(4))
    model.generate(input_features=features, max_new_tokens=1)
    return given[-1]


def configured(model, settings):
    model = copy.deepcopy(model)
    for key, value in settings.items():
        setattr(model.generation_config, key, value)
    return model


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_the_prompt_is_that_of_generate(own, settings):
    specimen, tokenizer = own
    model = configured(specimen.model, settings)
    words = tokenizer.convert_ids_to_tokens(range(81))
    prompt = prompt_of(model, words)
    for row in asked(model):
        heard = row[1] if None in prompt else None
        assert [heard if token is None else token for token in prompt] == row
        assert heard in (None, *model.generation_config.lang_to_id.values())


def test_only_a_language_that_nobody_names_is_heard(own):
    words = own[1].convert_ids_to_tokens(range(81))
    heard = [name for name, settings in CASES.items() if None in prompt_of(configured(own[0].model, settings), words)]
    assert heard == ["heard", "heard and translated", "heard, with times", "an old checkpoint"]


def test_an_english_model_is_told_nothing(whisper):
    specimen, tokenizer = whisper(multilingual=False)
    prompt = prompt_of(specimen.model, tokenizer.convert_ids_to_tokens(range(81)))
    assert [prompt, prompt] == asked(specimen.model)
    assert not is_multilingual(specimen.model)


def test_old_configs_list_the_languages_of_multilingual_models(own):
    assert is_multilingual(own[0].model)
    assert is_multilingual(configured(own[0].model, {"is_multilingual": None}))
    assert not is_multilingual(configured(own[0].model, {"is_multilingual": None, "lang_to_id": None}))


def test_a_language_without_a_token(own):
    specimen, tokenizer = own
    with pytest.raises(ValueError, match=r"the tokenizer has no <\|fr\|>"):
        prompt_of(configured(specimen.model, {"language": "french"}), tokenizer.convert_ids_to_tokens(range(81)))


@pytest.mark.parametrize("name", ["de", "<|de|>", "German", "DE"])
def test_every_name_of_a_language(name):
    assert language_token(name) == "<|de|>"
