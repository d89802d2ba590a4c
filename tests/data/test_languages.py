"""Languages of multilingual tokenizers: their names, and how an answer begins in one."""

import io
import json

import pytest
import sentencepiece
from transformers import ByT5Tokenizer, M2M100Tokenizer, MBart50Tokenizer, MBartTokenizer, NllbTokenizer
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

from prunekit.data.languages import answer_settings, check_language, languages_of, tell_languages
from prunekit.errors import PrunekitError

PIECES = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -1.0), ("a", -1.0)]


@pytest.fixture(scope="module")
def m2m(tmp_path_factory):
    place = tmp_path_factory.mktemp("m2m")
    file = io.BytesIO()
    lines = iter(["a b c d"] * 100)
    settings = {"vocab_size": 12, "model_type": "bpe", "minloglevel": 2, "hard_vocab_limit": False}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=lines, model_writer=file, **settings)
    (place / "spm.model").write_bytes(file.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=file.getvalue())
    names = ["<s>", "<pad>", "</s>", "<unk>", *(pieces.id_to_piece(n) for n in range(3, len(pieces)))]
    (place / "vocab.json").write_text(json.dumps({name: n for n, name in enumerate(names)}))
    codes = [f"__{code}__" for code in FAIRSEQ_LANGUAGE_CODES["m2m100"]]  # as published tokenizers have them
    files = (str(place / "vocab.json"), str(place / "spm.model"))
    return M2M100Tokenizer(*files, additional_special_tokens=codes)


def made(name, m2m):
    return {
        "nllb": lambda: NllbTokenizer(vocab={"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4}, merges=[]),
        "mbart": lambda: MBartTokenizer(vocab=PIECES),
        "mbart50": lambda: MBart50Tokenizer(vocab=PIECES),
        "m2m": lambda: m2m,
    }[name]()


LANGUAGES = {"nllb": ("deu_Latn", 202), "mbart": ("de_DE", 25), "mbart50": ("de_DE", 52), "m2m": ("de", 100)}
"""One language by the name that each family has for it, and how many its paper counts."""


@pytest.mark.parametrize("family", LANGUAGES)
def test_all_languages_are_known_by_the_names_that_tokenizers_take(family, m2m):
    tokenizer = made(family, m2m)
    german, count = LANGUAGES[family]
    known = languages_of(tokenizer)
    assert german in known
    assert len(known) == pytest.approx(count, abs=2)
    tokenizer.tgt_lang = german
    assert known[german] in tokenizer(text_target="a")["input_ids"]


@pytest.mark.parametrize("family", LANGUAGES)
def test_an_answer_begins_in_the_language_that_is_asked_for(family, m2m):
    tokenizer = made(family, m2m)
    german, _ = LANGUAGES[family]
    tell_languages(tokenizer, None, german)
    token = languages_of(tokenizer)[german]
    key = "decoder_start_token_id" if family == "mbart" else "forced_bos_token_id"
    assert answer_settings(tokenizer, german) == {key: token}


def test_a_tokenizer_that_needs_a_target_language_says_so(m2m):
    m2m.tgt_lang = None
    with pytest.raises(PrunekitError, match=r"M2M100Tokenizer encodes no target .* task\.target_language"):
        tell_languages(m2m, "en", None)
    assert tell_languages(made("nllb", m2m), None, None) == ()


def test_a_monolingual_tokenizer_has_none_and_says_so():
    tokenizer = ByT5Tokenizer()
    assert languages_of(tokenizer) == {}
    assert tell_languages(tokenizer, "en", None) == ("en",)
    assert answer_settings(tokenizer, "en") == {}


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("deu_Lat", "did you mean 'deu_Latn'"),
        ("en", "did you mean .*'eng_Latn'"),
        ("German", "it has 20[0-9], such as ace_Arab, ace_Latn"),
    ],
)
def test_an_unknown_language_is_refused_with_names_that_are_there(language, sentence, m2m):
    with pytest.raises(PrunekitError, match=rf"NllbTokenizer has no language '{language}'; {sentence}"):
        check_language(made("nllb", m2m), language)
