"""Processors: how texts become ids, what is cut and counted, and how ids become texts again."""

import json

import pytest
import sentencepiece
import torch
from tokenizers import AddedToken
from transformers import ByT5Tokenizer, MarianTokenizer, MBart50Tokenizer, MBartTokenizer

from prunekit.data.encoded import SideCounter
from prunekit.data.processors import CHUNK, Collator
from prunekit.data.tasks import task_table
from prunekit.data.text import TextProcessor
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection

LETTERS = [
    ("<s>", 0.0),
    ("<pad>", 0.0),
    ("</s>", 0.0),
    ("<unk>", 0.0),
    *((letter, -1.0) for letter in "\u2581abcdefgh"),
]


@pytest.fixture(scope="module")
def marian(tmp_path_factory):
    """A tokenizer in Python, of one SentencePiece model for both sides."""
    place = tmp_path_factory.mktemp("marian")
    settings = {"vocab_size": 12, "model_type": "bpe", "minloglevel": 2, "hard_vocab_limit": False}
    for side in ("source.spm", "target.spm"):
        with (place / side).open("wb") as file:
            lines = iter(["a b c d"] * 9)
            sentencepiece.SentencePieceTrainer.train(sentence_iterator=lines, model_writer=file, **settings)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(place / "source.spm"))
    names = ["</s>", "<unk>", *(pieces.id_to_piece(n) for n in range(3, len(pieces))), "<pad>"]
    (place / "vocab.json").write_text(json.dumps({name: n for n, name in enumerate(names)}))
    return MarianTokenizer(*(str(place / name) for name in ("source.spm", "target.spm", "vocab.json")))


def bytes_of(text: str) -> list[int]:
    """ByT5's ids: every byte plus 3, then the end of sequence."""
    return [byte + 3 for byte in text.encode()] + [1]


def targets(processor, texts):
    return list(processor.target_ids(texts, SideCounter(None)))


def table(sources, targets):
    return task_table(sources, targets)


def test_a_source_that_is_cut_still_ends_and_a_target_that_is_cut_does_not():
    section = TaskSection(prefix="p: ", source_length=8, target_length=4)
    encoded = TextProcessor(ByT5Tokenizer(), section).encode(table(["ab", "é" * 9], ["x", "y" * 9]))
    assert [encoded.sources[n] for n in (0, 1)] == [bytes_of("p: ab"), bytes_of("p: éé")]
    assert [encoded.labels[n] for n in (0, 1)] == [bytes_of("x"), bytes_of("yyyy")[:-1]]


def test_what_is_cut_is_counted_by_the_lengths_before():
    section = TaskSection(source_length=8, target_length=4)
    encoded = TextProcessor(ByT5Tokenizer(), section).encode(table(["ab", "c" * 9, "d" * 20], ["x", "y" * 9, "zzz"]))
    assert (encoded.source_side.lengths, encoded.source_side.limit, encoded.source_side.cut) == ((3, 10, 21), 8, 2)
    assert (encoded.target_side.lengths, encoded.target_side.limit, encoded.target_side.cut) == ((2, 10, 4), 4, 1)


def test_unknown_tokens_are_counted(letters):
    encoded = TextProcessor(letters, TaskSection()).encode(table(["a ? b", "? ?"], ["a", "ß"]))
    assert (encoded.source_side.unknown, encoded.target_side.unknown) == (3, 1)


@pytest.mark.parametrize("number", [0, 1, CHUNK, CHUNK + 1])
def test_encoding_keeps_rows_in_order_whatever_their_number(number):
    texts = [str(n) for n in range(number)]
    encoded = TextProcessor(ByT5Tokenizer(), TaskSection()).encode(table(texts, texts))
    assert [encoded.labels[n] for n in range(len(encoded))] == [bytes_of(text) for text in texts]
    assert len(encoded.source_side.lengths) == number


@pytest.mark.parametrize(("kind", "place"), [(MBartTokenizer, -1), (MBart50Tokenizer, 0)])
def test_a_multilingual_tokenizer_is_told_its_languages(kind, place):
    tokenizer = kind(vocab=LETTERS)
    section = TaskSection(source_language="ro_RO", target_language="de_DE")
    encoded = TextProcessor(tokenizer, section).encode(table(["a"], ["b"]))
    ids = (encoded.sources[0][place], encoded.labels[0][place])
    assert tokenizer.convert_ids_to_tokens(list(ids)) == ["ro_RO", "de_DE"]


def test_a_cut_target_keeps_the_language_that_models_take_from_its_end():
    tokenizer = MBartTokenizer(vocab=LETTERS)
    processor = TextProcessor(tokenizer, TaskSection(target_language="de_DE", target_length=4))
    (ids,) = targets(processor, ["abcdefgh"])
    assert len(ids) == 4
    assert tokenizer.convert_ids_to_tokens(ids)[-1] == "de_DE"


def test_a_language_that_does_not_exist_gets_a_hint():
    with pytest.raises(PrunekitError, match="no language 'de_D'; did you mean 'de_DE'"):
        TextProcessor(MBartTokenizer(vocab=LETTERS), TaskSection(target_language="de_D"))


def test_decoding_leaves_out_what_frames_a_text_and_keeps_the_users_own_tokens():
    tokenizer = MBart50Tokenizer(vocab=LETTERS)
    tokenizer.add_tokens([AddedToken("<name>", special=True)])
    processor = TextProcessor(tokenizer, TaskSection(target_language="de_DE"))
    ids = tokenizer.convert_tokens_to_ids(["</s>", "de_DE", "\u2581", "a", "<name>", "b", "</s>", "<pad>"])
    assert processor.decode(torch.tensor([ids])) == [tokenizer.decode(ids[2:6])]
    assert "<name>" in processor.decode(torch.tensor([ids]))[0]


def test_a_start_that_the_tokenizer_writes_can_be_left_out():
    tokenizer = MBart50Tokenizer(vocab=LETTERS, src_lang="en_XX", tgt_lang="de_DE")
    start = tokenizer.convert_tokens_to_ids("de_DE")
    processor = TextProcessor(tokenizer, TaskSection(target_language="de_DE"), start)
    (whole,) = targets(processor, ["ab"])
    processor.drops_start = True
    assert targets(processor, ["ab"]) == [whole[1:]]


def test_without_limits_nothing_is_cut():
    processor = TextProcessor(ByT5Tokenizer(), TaskSection(target_length=4))
    assert targets(processor.uncut(), ["y" * 900]) == [bytes_of("y" * 900)]
    assert processor.section.target_length == 4


def test_a_batch_is_padded_on_the_right_and_keeps_its_rows_numbers(t5, bart, tokenizer):
    processor = TextProcessor(tokenizer, TaskSection())
    rows = processor.encode(task_table(["abc", "d"], ["x", "yz"]))
    batch = Collator(processor, t5)([rows[1], rows[0]])
    assert batch["input_ids"].tolist() == [[103, 1, 0, 0], [100, 101, 102, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert batch["labels"].tolist() == [[124, 125, 1], [123, 1, -100]]
    assert batch["index"].tolist() == [1, 0]
    start = [t5.config.decoder_start_token_id] * 2
    assert batch["decoder_input_ids"][:, 0].tolist() == start
    assert batch["decoder_input_ids"][:, 1:].tolist() == [[124, 125], [123, 1]]


def test_answers_are_texts_without_special_tokens(tokenizer):
    processor = TextProcessor(tokenizer, TaskSection())
    assert processor.decode(torch.tensor([[0, 100, 101, 1, 0], [0, 35, 103, 35, 1]])) == ["ab", "d"]


def test_ids_that_only_the_model_has_are_no_part_of_an_answer(marian):
    """Vocabularies are padded to round sizes; a tokenizer in Python looks them up and fails."""
    processor = TextProcessor(marian, TaskSection())
    ids = marian("a b")["input_ids"]
    assert processor.decode(torch.tensor([[*ids[:-1], len(marian), 10**6, ids[-1]]])) == ["a b"]


def test_hints_join_every_batch_and_the_processor_without_them_stays_as_it_was():
    plain = TextProcessor(ByT5Tokenizer(), TaskSection())
    hinting = plain.with_hints(lambda batch: {"longest": batch["attention_mask"].sum(1)})
    assert hinting.pad([[5, 6, 7], [8]])["longest"].tolist() == [3, 1]
    assert hinting.uncut().pad([[5]])["longest"].tolist() == [1]
    assert set(plain.pad([[5]])) == {"input_ids", "attention_mask"}
