"""How rows are asked: by their columns, and in batches of rows that are asked alike."""

from prunekit.data.asking import Asking, alike, asked_alike, askings_of, with_askings
from prunekit.data.table import task_table

GERMAN = Asking("en", "de")
FRENCH = Asking("en", "fr")


def test_a_row_without_a_column_is_asked_as_the_others():
    rows = task_table(["a", "b"], ["x", "y"], more={"target_language": ["de", "fr"]})
    assert askings_of(rows, Asking("en", "nl", "translate")) == [
        Asking("en", "de", "translate"),
        Asking("en", "fr", "translate"),
    ]
    assert askings_of(task_table(["a"], ["x"]), GERMAN) is None


def test_columns_say_how_rows_are_asked():
    rows = with_askings(
        task_table(["a", "b"], ["x", "y"], more={"target_language": ["Deutsch", "fr"]}), [GERMAN, FRENCH]
    )
    assert askings_of(rows, Asking()) == [GERMAN, FRENCH]
    assert rows["source"][:] == ["a", "b"]


def test_batches_hold_rows_that_are_asked_alike_the_first_of_the_order_first():
    askings = [GERMAN, FRENCH, GERMAN, GERMAN, FRENCH]
    assert asked_alike(askings, [4, 3, 2, 1, 0], 2) == [(FRENCH, [4, 1]), (GERMAN, [3, 2]), (GERMAN, [0])]
    assert asked_alike(None, [2, 0, 1], 2) == [(None, [2, 0]), (None, [1])]
    assert alike(askings) == {GERMAN: [0, 2, 3], FRENCH: [1, 4]}


def test_languages_are_spelled_for_reports():
    assert GERMAN.spelled == "en to de"
    assert Asking("de", "de", "transcribe").spelled == "de, transcribe"
    assert Asking("de", "en", "translate").spelled == "de, translate"
    assert Asking(None, "de").spelled == "de"
