"""The metrics ``wer`` and ``per``: edits counted by hand."""

from prunekit.data.metrics.word_errors import WordErrorRate


def test_rows_have_the_edits_and_the_words_of_the_best_reference():
    assert WordErrorRate("per").row_parts(["R IY D", "a b"], [["R EH D", "R IY D Z"], ["a b"]]) == [(1, 4), (0, 2)]


def test_fewer_errors_are_better():
    assert not WordErrorRate("wer").higher_is_better


def test_characters_count_where_a_script_has_no_blanks_and_a_warning_says_so_once(caplog):
    wer = WordErrorRate("wer")
    assert wer.row_parts(["我喜欢 jazz", "a b"], [["我喜爱 jazz"], ["a b c"]]) == [(1, 4), (1, 3)]
    assert wer.score(["ดีที่"], [["ดี ที่"]]) == 0
    (warning,) = caplog.messages
    assert warning.startswith("wer counts characters")
    assert "1 of 2 rows" in warning


def test_words_between_blanks_need_no_warning(caplog):
    assert WordErrorRate("wer").row_parts(["안녕 세계", "की"], [["안녕 모두"], ["का"]]) == [(1, 2), (1, 1)]
    assert not caplog.messages


def test_a_warning_comes_once_for_rows_of_a_language_too(caplog):
    metric = WordErrorRate("wer")
    for _ in range(3):
        metric.score(["\u8336", "tea"], [["\u8336"], ["tea"]], ["zh", "en"])
    assert caplog.text.count("counts characters, not words") == 1
