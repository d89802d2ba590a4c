# ruff: noqa: RUF001 (texts of other scripts)
"""Words of every script; and what every metric must say of identical texts and of others, in each of them."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rouge_score.tokenize import tokenize

from prunekit.data.metrics.scripts import is_unspaced, separated, word_tokens
from prunekit.loading.metrics import open_metric

SPACED = {
    "English": "abcdefgh",
    "Greek": "αβγδεζηθ",
    "Russian": "абвгдежз",
    "Arabic": "ابتثجحخد",
    "Hebrew": "אבגדהוזח",
    "Hindi": ["न", "म", "स्ते", "दु", "नि", "या", "की", "ज"],
    "Tamil": ["வ", "ண", "க்", "கா", "தே", "சி", "ல", "மு"],
    "Korean": "가나다라마바사아",
    "Amharic": "ሀለሐመሠረሰሸ",
    "Armenian": "աբգդեզէը",
    "Georgian": "აბგდევზთ",
}
UNSPACED = {
    "Chinese": "我喜欢这本书今天",
    "rare Chinese": "𠀀𠀁𠀂𠀃𠀄𠀅𠀆𠀇",
    "Japanese": "日本ごをカタナー",
    "Thai": ["ก", "ขี", "ค้", "ง", "จ", "ฉุ", "ช", "เ"],
    "Lao": "ກຂຄງຈສຊຍ",
    "Khmer": "កខគឃងចឆជ",
    "Burmese": ["က", "ခါ", "ဂ", "ဃ", "င", "စိ", "ဆ", "ဇ"],
}
METRICS = ("exact_match", "wer", "cer", "per", "bleu", "chrf", "rouge1", "rouge2", "rougeL")
LANGUAGES = (None, "en", "zh", "zho_Hans", "ja", "ko")


def texts(script: str, letters: str) -> st.SearchStrategy[str]:
    """Texts of 1 to 12 words of some letters of a script."""
    least, most = (1, 12) if script in UNSPACED else (1, 4)
    word = st.lists(st.sampled_from(list(letters)), min_size=least, max_size=most).map("".join)
    return word if script in UNSPACED else st.lists(word, min_size=1, max_size=12).map(" ".join)


@st.composite
def pairs(draw) -> tuple[list[str], list[str]]:
    """Texts of one script, and as many of other letters of it."""
    script = draw(st.sampled_from([*SPACED, *UNSPACED]))
    letters = {**SPACED, **UNSPACED}[script]
    size = draw(st.integers(1, 3))
    rows = [st.lists(texts(script, half), min_size=size, max_size=size) for half in (letters[:4], letters[4:])]
    return draw(rows[0]), draw(rows[1])


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=60, deadline=None)
@given(pairs(), st.sampled_from(LANGUAGES))
def test_identical_texts_are_perfect_and_other_words_are_not_in_every_script(name, pair, language):
    right, other = pair
    assume(not set("".join(right)) & set("".join(other)) - {" "})  # a letter with a vowel sign holds the letter
    metric = open_metric(name, language)
    references = [[text] for text in right]
    assert metric.share(metric.score(right, references)) == pytest.approx(1)
    assert metric.share(metric.score(other, references)) < 0.5
    parts = metric.row_parts([*right, *other], references * 2)
    assert metric.figure([sum(column) for column in zip(*parts, strict=True)]) == pytest.approx(
        metric.score([*right, *other], references * 2)
    )


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("script", UNSPACED)
def test_one_wrong_character_of_a_text_without_blanks_is_no_wrong_text(name, script):
    letters = list(UNSPACED[script])
    right, near = "".join(letters), "".join([*letters[:-1], letters[0]])
    found = open_metric(name).share(open_metric(name).score([near], [[right]]))
    assert found == 0 if name == "exact_match" else 0.5 < found < 1


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(max_codepoint=127)))
def test_english_words_are_those_of_rouge_score(text):
    assert word_tokens(text) == tokenize(text, None)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_only_blanks_are_added(text):
    assume("\u200b" not in text)
    assert "".join(separated(text).split()) == "".join(text.split())
    assert separated(text) == text or is_unspaced(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("в 2024 году, ВЫРОСЛИ цены!", ["в", "2024", "году", "выросли", "цены"]),
        ("नमस्ते दुनिया।", ["नमस्ते", "दुनिया"]),
        ("۱۲۳ سلام، دنیا؟", ["۱۲۳", "سلام", "دنیا"]),
        ("我喜欢 Jazz，2024年。", ["我", "喜", "欢", "jazz", "2024", "年"]),
        ("ดีที่", ["ดี", "ที่"]),
        ("二〇二四", ["二", "〇", "二", "四"]),
        ("안녕 세계", ["안녕", "세계"]),
        ("cafe\u0301 CAFÉ", ["café", "café"]),
        ("can’t — 10 m²…", ["can", "t", "10", "m"]),
        ("می\u200cخواهم", ["میخواهم"]),
        ("ក\u200bខ", ["ក", "ខ"]),
        ("។៕ …", []),
    ],
)
def test_words(text, expected):
    assert word_tokens(text) == expected


def test_characters_of_scripts_without_blanks_stand_alone_and_keep_their_marks():
    assert separated("ดีmaxที่ 가나 ㄱㄴ") == "ดี max ที่ 가나 ㄱㄴ"
    assert not is_unspaced("naïve 가나 नमस्ते")
