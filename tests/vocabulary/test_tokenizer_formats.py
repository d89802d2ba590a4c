"""The formats of tokenizers: which one a tokenizer has, which ids it needs for any text, and what is written."""

import json

import pytest
from transformers import ByT5Tokenizer

from prunekit.errors import PrunekitError
from prunekit.vocabulary.tokenizer_formats import FileFormat, UnifiedFormat, format_of

IN_FILES = ("marian", "m2m", "speech")


def test_every_family_has_the_format_of_its_files(family, old, tmp_path):
    form = format_of(old)
    assert type(form) is (FileFormat if family in IN_FILES else UnifiedFormat)
    old.save_pretrained(tmp_path)
    assert (tmp_path / "vocab.json").exists() == (family in IN_FILES)
    assert {form.vocabulary[name] for name in old.get_vocab()} == set(old.get_vocab().values())


def test_special_tokens_and_the_ids_of_an_empty_text_are_required(old):
    required = format_of(old).required_ids()
    assert set(old.all_special_ids) <= required
    assert set(old("")["input_ids"]) <= required


def test_dependencies_are_pieces_and_contain_what_was_asked(old):
    form = format_of(old)
    asked = set(sorted(form.vocabulary)[::50])
    found = form.with_dependencies(asked)
    assert asked <= found <= form.vocabulary.keys()
    assert form.with_dependencies(found) == found, "what is complete is not completed again"


def test_bytes_have_no_vocabulary_to_rewrite():
    with pytest.raises(PrunekitError, match="The vocabulary of a ByT5Tokenizer cannot be pruned: possible are"):
        format_of(ByT5Tokenizer())


def test_wordpiece_remembers_the_pieces_of_words_it_gave_up(tokenizers):
    bert = tokenizers["bert"]
    form = format_of(bert)
    text = "read☃"
    ids = bert(text)["input_ids"]
    assert bert.unk_token_id in ids
    pieces = form.pieces_of_unknown_words(text, ids)
    assert "".join(sorted(pieces, key=lambda piece: piece.startswith("##"))).replace("##", "").startswith("r")
    assert pieces <= form.vocabulary.keys()
    assert form.pieces_of_unknown_words("a", bert("a")["input_ids"]) == set()


def test_what_is_written_has_only_the_ids_asked_for(family, old, tmp_path):
    form = format_of(old)
    kept = sorted(form.required_ids())
    number = {before: after for after, before in enumerate(kept)}
    old.save_pretrained(tmp_path)
    form.rewrite(tmp_path, number)
    if family in IN_FILES:
        ids = set(json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8")).values())
    else:
        data = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
        vocab = data["model"]["vocab"]
        ids = set(range(len(vocab))) if isinstance(vocab, list) else set(vocab.values())
        assert {token["id"] for token in data["added_tokens"]} <= set(number.values())
    assert ids <= set(number.values())
    again = type(old).from_pretrained(tmp_path)
    assert form.loaded_as_written(again, tmp_path)
    assert not form.loaded_as_written(old, tmp_path), "the whole tokenizer is not what was written"


def test_two_vocabularies_are_refused(tokenizers, monkeypatch):
    monkeypatch.setattr(tokenizers["marian"], "separate_vocabs", True)
    with pytest.raises(PrunekitError, match="its two languages have a vocabulary each"):
        format_of(tokenizers["marian"])
