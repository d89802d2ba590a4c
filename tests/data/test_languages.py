"""Languages of multilingual tokenizers: their names, and how an answer begins in one."""

import pytest
from transformers import ByT5Tokenizer, Speech2TextTokenizer

from prunekit.data.languages import answer_settings, check_language, framing_ids, languages_of, speaking, tell_languages
from prunekit.errors import PrunekitError

LANGUAGES = {
    "nllb": ("deu_Latn", 202),
    "mbart": ("de_DE", 25),
    "mbart50": ("de_DE", 52),
    "m2m": ("de", 100),
    "plbart": ("java", 7),
}
"""One language by the name that each family has for it, and how many its paper counts."""


@pytest.mark.parametrize("family", LANGUAGES)
def test_all_languages_are_known_by_the_names_that_tokenizers_take(family, multilingual_tokenizer):
    tokenizer = multilingual_tokenizer(family)
    german, count = LANGUAGES[family]
    known = languages_of(tokenizer)
    assert german in known
    assert len(known) == pytest.approx(count, abs=2)
    tokenizer.tgt_lang = german
    assert known[german] in tokenizer(text_target="a")["input_ids"]


@pytest.mark.parametrize("family", LANGUAGES)
def test_an_answer_begins_in_the_language_that_is_asked_for(family, multilingual_tokenizer):
    tokenizer = multilingual_tokenizer(family)
    german, _ = LANGUAGES[family]
    tell_languages(tokenizer, None, german)
    token = languages_of(tokenizer)[german]
    key = "decoder_start_token_id" if family in ("mbart", "plbart") else "forced_bos_token_id"
    assert answer_settings(tokenizer, german) == {key: token}


@pytest.mark.parametrize("family", LANGUAGES)
def test_a_tokenizer_speaks_another_language_only_inside_the_block(family, multilingual_tokenizer):
    tokenizer = multilingual_tokenizer(family)
    first, *_, last = languages_of(tokenizer)
    tell_languages(tokenizer, first, first)
    before = tokenizer("a", text_target="a")
    with speaking(tokenizer, last, last):
        inside = tokenizer("a", text_target="a")
    assert languages_of(tokenizer)[last] in inside["input_ids"]
    assert languages_of(tokenizer)[last] in inside["labels"]
    assert tokenizer("a", text_target="a") == before


def test_languages_frame_a_text(multilingual_tokenizer):
    tokenizer = multilingual_tokenizer("nllb")
    assert {tokenizer.pad_token_id, languages_of(tokenizer)["deu_Latn"]} <= framing_ids(tokenizer)
    assert tokenizer.convert_tokens_to_ids("a") not in framing_ids(tokenizer)


def test_a_tokenizer_that_needs_a_target_language_says_so(multilingual_tokenizer):
    m2m = multilingual_tokenizer("m2m")
    with pytest.raises(PrunekitError, match=r"M2M100Tokenizer encodes no target .* task\.target_language"):
        tell_languages(m2m, "en", None)
    assert tell_languages(multilingual_tokenizer("nllb"), None, None) == ()


def test_a_monolingual_tokenizer_has_none_and_says_so():
    tokenizer = ByT5Tokenizer()
    assert languages_of(tokenizer) == {}
    assert tell_languages(tokenizer, "en", None) == ("en",)
    assert answer_settings(tokenizer, "en") == {}


def test_a_tokenizer_whose_class_has_languages_may_have_none_itself(multilingual_tokenizer, tmp_path):
    """Speech2Text of one language keeps the attribute, and fails to look one up."""
    multilingual_tokenizer("m2m").save_vocabulary(tmp_path)
    tokenizer = Speech2TextTokenizer(str(tmp_path / "vocab.json"), str(tmp_path / "sentencepiece.bpe.model"))
    assert tell_languages(tokenizer, None, "de") == ("de",)
    assert tokenizer.tgt_lang is None


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("deu_Lat", "did you mean 'deu_Latn'"),
        ("en", "did you mean .*'eng_Latn'"),
        ("German", "it has 20[0-9], such as ace_Arab, ace_Latn"),
    ],
)
def test_an_unknown_language_is_refused_with_names_that_are_there(language, sentence, multilingual_tokenizer):
    with pytest.raises(PrunekitError, match=rf"NllbTokenizer has no language '{language}'; {sentence}"):
        check_language(multilingual_tokenizer("nllb"), language)


@pytest.mark.parametrize("wrong", ["de_XX", "DE_de", "de", "de-DE"])
def test_the_name_that_is_offered_is_of_the_same_language(wrong, multilingual_tokenizer):
    with pytest.raises(PrunekitError, match=r"did you mean 'de_DE'\?"):
        check_language(multilingual_tokenizer("mbart50"), wrong)
