"""The task ``asr``: rows of a user's files, with the field's way to compare words."""

import json

import pytest

from prunekit.data.asr import ASR, normalizer
from prunekit.data.metrics.word_errors import WordErrorRate
from prunekit.errors import PrunekitError
from prunekit.loading.resolve import resolve
from prunekit.loading.task import open_task
from prunekit.recipe import TaskSection


@pytest.fixture
def files(tmp_path):
    """Rows in two directories, each beside its recordings, which nobody opens here."""
    for name in ("learn", "judge"):
        (tmp_path / name).mkdir()
        row = {"audio": f"sounds/{name}.wav", "text": "Mister  Brown's colour, it's 20 (sighs) dollars!"}
        (tmp_path / name / "rows.jsonl").write_text(json.dumps(row) + "\n")
    return {"train": str(tmp_path / "learn/rows.jsonl"), "eval": str(tmp_path / "judge/rows.jsonl")}


def test_recordings_are_named_from_where_their_rows_lie(files, tmp_path):
    task = open_task(resolve({"model": "x", "task": {"name": "asr", **files}}).task)
    assert (task.name, task.modality) == ("asr", "audio")
    assert task.train["source"][:] == [str(tmp_path / "learn/sounds/learn.wav")]
    assert task.dev["source"][:] == task.test["source"][:] == [str(tmp_path / "judge/sounds/judge.wav")]
    assert task.train["target"][0] == "Mister  Brown's colour, it's 20 (sighs) dollars!", "labels stay as written"


@pytest.mark.parametrize(
    ("language", "said", "errors"),
    [
        ("en", "mr brown's colour it is $20", 0.0),
        ("en", "mr brown's colour it is $30", 1 / 7),  # of: mister brown is color it is $20
        ("de", "MISTER BROWN'S COLOUR IT'S 20 DOLLARS", 0.0),
    ],
)
def test_words_are_compared_after_the_normalizer_of_the_language(files, language, said, errors):
    task = open_task(resolve({"model": "x", "task": {"name": "asr", "target_language": language, **files}}).task)
    (wer,) = task.metrics
    assert (wer.name, wer.higher_is_better) == ("wer", False)
    assert wer.score([said], task.test["references"][:]) == pytest.approx(errors)
    edits, words = wer.row_parts([said], task.test["references"][:])[0]
    assert edits / words == pytest.approx(errors)


def test_silence_has_no_words_and_whatever_is_heard_in_it_is_an_error():
    normalize = normalizer("en")
    assert normalize("(1 second of silence)") == ""
    wer = WordErrorRate("wer")
    assert wer.row_parts(["you", ""], [[""], [""]]) == [(1.0, 0.0), (0.0, 0.0)]


@pytest.mark.parametrize("language", [None, "hi", "hin_Deva"])
def test_vowel_signs_are_part_of_words(language):
    normalize = normalizer(language)
    assert normalize("नमस्ते, दुनिया!").split() == ["नमस्ते", "दुनिया"]
    assert normalize("की") != normalize("का")


@pytest.mark.parametrize("language", [None, "en", "en_US", "eng_Latn", "English"])
def test_english_by_any_name_has_the_english_normalizer(language):
    assert normalizer(language)("Mr Brown's 20 dollars!").split() == ["mister", "brown", "is", "$20"]


def test_characters_are_counted_in_thai(files):
    task = open_task(resolve({"model": "x", "task": {"name": "asr", "target_language": "th", **files}}).task)
    (wer,) = task.metrics
    assert wer.score(["สวัสดี ครับ"], [["สวัสดีครับ"]]) == 0
    assert 0 < wer.score(["สวัสดีครีบ"], [["สวัสดีครับ"]]) < 0.3


def test_it_needs_files():
    with pytest.raises(PrunekitError, match="nothing to train on; name a file"):
        ASR().open(TaskSection())
    with pytest.raises(PrunekitError, match="nothing to train on"):
        open_task(resolve({"model": "x", "task": {"name": "asr"}}).task)


def test_a_prefix_has_no_place(files):
    with pytest.raises(PrunekitError, match="no text to put a prefix before; leave out --prefix"):
        open_task(resolve({"model": "x", "task": {"name": "asr", "prefix": "hear: ", **files}}).task)


def test_the_users_metrics_keep_their_order(files):
    task = open_task(resolve({"model": "x", "task": {"name": "asr", "metric": "cer,wer", **files}}).task)
    assert [one.name for one in task.metrics] == ["cer", "wer"]
    assert task.metrics[0].score(["COLOUR"], [["colour."]]) == 0
