"""The metric ``cer``: edits counted by hand."""

from prunekit.data.metrics.character_errors import CharacterErrorRate


def test_rows_have_the_edits_and_the_characters_of_the_best_reference():
    assert CharacterErrorRate("cer").row_parts(["abd", "é"], [["abc", "x"], ["è"]]) == [(1, 3), (1, 1)]


def test_fewer_errors_are_better():
    assert not CharacterErrorRate("cer").higher_is_better
