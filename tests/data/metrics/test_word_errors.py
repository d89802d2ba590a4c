"""The metrics ``wer`` and ``per``: edits counted by hand."""

from prunekit.data.metrics.word_errors import WordErrorRate


def test_rows_have_the_edits_and_the_words_of_the_best_reference():
    assert WordErrorRate("per").row_parts(["R IY D", "a b"], [["R EH D", "R IY D Z"], ["a b"]]) == [(1, 4), (0, 2)]


def test_fewer_errors_are_better():
    assert not WordErrorRate("wer").higher_is_better
