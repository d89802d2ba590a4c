"""Processors of text: ids by hand, in order, whatever the number of rows."""

import pytest
import torch
from transformers import ByT5Tokenizer, MBartTokenizer

from prunekit.data.processors import CHUNK, Collator, TextProcessor
from prunekit.data.tasks import task_table
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection


def bytes_of(text: str) -> list[int]:
    """ByT5's ids: every byte plus 3, then the end of sequence."""
    return [byte + 3 for byte in text.encode()] + [1]


def encoded(rows, tokenizer, **section):
    return TextProcessor(tokenizer, TaskSection(**section)).encode(rows)


def test_encoding_prefixes_cuts_and_counts():
    rows = task_table(["ab", "é" * 9], ["x", "y" * 9])
    found = encoded(rows, ByT5Tokenizer(), prefix="p: ", source_length=8, target_length=4)
    assert list(found.sources) == [bytes_of("p: ab"), bytes_of("p: éé")]
    assert list(found.labels) == [bytes_of("x"), bytes_of("yyy")]
    assert found.lengths == [6, 8]


@pytest.mark.parametrize("number", [0, 1, CHUNK, CHUNK + 1])
def test_encoding_keeps_rows_in_order_whatever_their_number(number):
    texts = [str(n) for n in range(number)]
    found = encoded(task_table(texts, texts), ByT5Tokenizer())
    assert list(found.labels) == list(found.sources) == [bytes_of(text) for text in texts]


def test_a_multilingual_tokenizer_is_set_to_its_languages():
    tokenizer = MBartTokenizer()
    row = encoded(task_table(["x"], ["y"]), tokenizer, source_language="ro_RO", target_language="de_DE")[0]
    assert [tokenizer.convert_ids_to_tokens(row[side][-1]) for side in ("source", "labels")] == ["ro_RO", "de_DE"]


def test_a_language_that_does_not_exist_gets_a_hint():
    with pytest.raises(PrunekitError, match="no language 'de_D'; did you mean 'de_DE'"):
        encoded(task_table(["x"], ["y"]), MBartTokenizer(), target_language="de_D")


def test_languages_for_a_tokenizer_without_any_are_worth_a_warning(caplog):
    encoded(task_table(["x"], ["y"]), ByT5Tokenizer(), source_language="de_DE")
    assert "ByT5Tokenizer has no languages, so 'de_DE' is not used" in caplog.text


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
