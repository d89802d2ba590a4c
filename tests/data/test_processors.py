import pytest
from transformers import ByT5Tokenizer, MBartTokenizer

from prunekit.data.processors import CHUNK, encode
from prunekit.data.tasks import task_table
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection


def bytes_of(text: str) -> list[int]:
    """ByT5's ids: every byte plus 3, then the end of sequence."""
    return [byte + 3 for byte in text.encode()] + [1]


def test_encoding_prefixes_cuts_and_counts():
    rows = task_table(["ab", "é" * 9], ["x", "y" * 9], [["x"], ["y"]])
    encoded = encode(rows, ByT5Tokenizer(), TaskSection(prefix="p: ", source_length=8, target_length=4))
    assert encoded["input_ids"][:] == [bytes_of("p: ab"), bytes_of("p: éé")]
    assert encoded["labels"][:] == [bytes_of("x"), bytes_of("yyy")]
    assert encoded.cache_files == []


@pytest.mark.parametrize("number", [0, 1, CHUNK, CHUNK + 1])
def test_encoding_keeps_rows_in_order_whatever_their_number(number):
    texts = [str(n) for n in range(number)]
    encoded = encode(task_table(texts, texts, [[text] for text in texts]), ByT5Tokenizer(), TaskSection())
    assert encoded["labels"][:] == [bytes_of(text) for text in texts]
    assert encoded.column_names == ["input_ids", "labels"]


def test_a_multilingual_tokenizer_is_told_its_languages():
    tokenizer = MBartTokenizer()
    rows = task_table(["x"], ["y"], [["y"]])
    encoded = encode(rows, tokenizer, TaskSection(source_language="ro_RO", target_language="de_DE"))
    ends = [tokenizer.convert_ids_to_tokens(encoded[column][0][-1]) for column in ("input_ids", "labels")]
    assert ends == ["ro_RO", "de_DE"]


def test_a_language_that_does_not_exist_gets_a_hint():
    rows = task_table(["x"], ["y"], [["y"]])
    with pytest.raises(PrunekitError, match="no language 'de_D'; did you mean 'de_DE'"):
        encode(rows, MBartTokenizer(), TaskSection(target_language="de_D"))


def test_languages_for_a_tokenizer_without_any_are_worth_a_warning(caplog):
    encode(task_table(["x"], ["y"], [["y"]]), ByT5Tokenizer(), TaskSection(source_language="de_DE"))
    assert "ByT5Tokenizer has no languages, so 'de_DE' is not used" in caplog.text
