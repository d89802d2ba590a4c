"""Text in several languages: each row as a tokenizer of its own languages alone encodes it."""

import random

import pytest

from prunekit.data.asking import Asking
from prunekit.data.languages import languages_of
from prunekit.data.table import task_table
from prunekit.data.text import TextProcessor
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection

FAMILIES = ("nllb", "mbart", "mbart50", "m2m", "plbart")


def mixed(tokenizer, rows=40):
    """Rows of short and long texts in languages drawn by chance."""
    draw = random.Random(0)
    known = list(languages_of(tokenizer))
    texts = [" ".join(draw.choices("abcd", k=draw.randint(1, 12))) for _ in range(rows)]
    sources, targets = draw.choices(known, k=rows), draw.choices(known, k=rows)
    return task_table(texts, texts[::-1], more={"source_language": sources, "target_language": targets})


@pytest.mark.parametrize("family", FAMILIES)
def test_every_row_is_encoded_in_its_own_languages(family, multilingual_tokenizer):
    section = TaskSection(source_length=8, target_length=8, target_language_column="l")
    rows = mixed(multilingual_tokenizer(family))
    encoded = TextProcessor(multilingual_tokenizer(family), section).encode(rows)
    for number, row in enumerate(rows):
        tokenizer = multilingual_tokenizer(family)
        tokenizer.src_lang, tokenizer.tgt_lang = row["source_language"], row["target_language"]
        source = tokenizer(row["source"], truncation=True, max_length=8)["input_ids"]
        target = tokenizer(text_target=row["target"])["input_ids"]
        language_behind = target[-1] != tokenizer.eos_token_id
        cut = target if len(target) <= 8 else target[:7] + target[-1:] if language_behind else target[:8]
        assert (encoded.sources[number], encoded.labels[number]) == (source, cut)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_is_asked_to_begin_in_its_own_language(family, multilingual_tokenizer):
    tokenizer = multilingual_tokenizer(family)
    processor = TextProcessor(tokenizer, TaskSection(target_language_column="l"))
    for language, token in list(languages_of(tokenizer).items())[:5]:
        with processor.asked(Asking(None, language)):
            assert list(processor.generation_settings().values()) == [token]
    assert processor.generation_settings() == {}


def test_unknown_languages_are_named_with_their_rows_all_at_once(multilingual_tokenizer):
    languages = ["deu_Latn", "deu_Lat", "fra_Latn", "deu_Lat", "xx"]
    rows = task_table(["a"] * 5, ["b"] * 5, more={"target_language": languages})
    tokenizer = multilingual_tokenizer("nllb")
    with pytest.raises(PrunekitError, match=r"3 of 5 dev rows cannot be used") as caught:
        TextProcessor(tokenizer, TaskSection(target_language_column="l")).usable(rows, "dev")
    assert "row 2, row 4: NllbTokenizer has no language 'deu_Lat'; did you mean 'deu_Latn'" in str(caught.value)
    assert "row 5: NllbTokenizer has no language 'xx'" in str(caught.value)
    left = TextProcessor(tokenizer, TaskSection(target_language_column="l", skip=True)).usable(rows, "dev")
    assert left["target_language"][:] == ["deu_Latn", "fra_Latn"]


def test_columns_are_not_used_where_the_tokenizer_has_no_languages(letters):
    rows = task_table(["a"], ["b"], more={"target_language": ["de"]})
    processor = TextProcessor(letters, TaskSection(target_language_column="l"))
    assert processor.askings(rows) is None
    assert processor.usable(rows, "dev") is rows
