"""Tasks from files and from plugins, and what is refused."""

import json
import logging
from dataclasses import replace

import pytest

from prunekit.data.metrics.exact_match import ExactMatch
from prunekit.data.tasks import Task, TaskPlugin, for_evaluation, from_files, task_table
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection


@pytest.fixture
def place(tmp_path):
    """Writes rows as JSONL and says where."""

    def write(*rows, name="pairs.jsonl"):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(tmp_path / name)

    return write


def section(path: str | None, **more) -> TaskSection:
    return TaskSection(**{"train": path, "eval": path, "source": "a", "target": "b", "metric": "wer", **more})


ROW = {"a": "one", "b": "eins", "c": 1}


def test_files_become_a_task(place, caplog):
    learn = place(ROW, {"a": "two", "b": "zwei"}, name="numbers.jsonl")
    dev, test = place(ROW, name="dev.jsonl"), place({"a": "three", "b": "drei"}, name="test.jsonl")
    task = from_files(section(learn, eval=dev, test=test))
    assert task.name == "numbers"
    assert task.train[:] == {
        "source": ["one", "two"],
        "target": ["eins", "zwei"],
        "references": [["eins"], ["zwei"]],
    }
    assert (task.dev["source"][:], task.test["source"][:]) == (["one"], ["three"])


def test_a_list_of_texts_is_several_right_answers_of_which_the_first_is_learnt(place):
    rows = [{"a": "read", "b": ["R EH D", "R IY D"]}, {"a": "two", "b": "T UW"}]
    task = from_files(section(place(*rows)))
    assert task.dev["target"][:] == ["R EH D", "T UW"]
    assert task.dev["references"][:] == [["R EH D", "R IY D"], ["T UW"]]


def test_without_test_rows_dev_serves_and_the_log_says_so(place, caplog):
    with caplog.at_level(logging.INFO, "prunekit"):
        task = from_files(section(place(ROW)))
    assert task.test[:] == task.dev[:]
    assert "serves as dev and as test" in caplog.text


def test_an_evaluation_needs_no_training_rows(place):
    task = for_evaluation(section(None, eval=place(ROW)))
    assert (len(task.train), task.train.column_names) == (0, ["source", "target", "references"])
    assert task.test["target"][:] == ["eins"]


@pytest.mark.parametrize(
    ("rows", "changes", "sentence"),
    [
        ([ROW], {"train": None}, "nothing to train on; name .* --train"),
        ([ROW], {"eval": None}, "nothing to evaluate on; name .* --eval"),
        ([ROW], {"train": "missing.jsonl"}, "There is no file 'missing.jsonl'"),
        ([ROW], {"source": None}, "Say with --source which column .* there are a, b, c"),
        ([{"source": "x", "b": "y"}], {"source": "sorce"}, "no column 'sorce'; did you mean 'source'.*source, b"),
        ([ROW], {"target": "zzz"}, "no column 'zzz'; there are a, b, c"),
        ([], {}, "has no rows"),
        ([ROW, {"a": "x", "b": None}], {}, "of 2 rows of .*: row 2: no text in 'b'"),
        ([ROW, {"a": "x", "b": " "}], {}, "of 2 rows of .*: row 2: no text in 'b'"),
        ([ROW, {"a": "x"}], {}, "of 2 rows of .*: row 2: no text in 'b'"),
        ([ROW, {"a": None, "b": "x"}], {}, "of 2 rows of .*: row 2: no text in 'a'"),
        ([ROW], {"target": "c"}, "1 of 1 rows .*: row 1: a int in 'c', where text is needed"),
        ([{"a": ["x"], "b": "y"}], {}, "row 1: a list in 'a', where text is needed"),
        ([{"a": "x", "b": []}], {}, "row 1: a list in 'b', where text is needed"),
        ([{"a": "x", "b": ["y", ""]}], {}, "row 1: no text in 'b'"),
        ([{"a": "x", "b": ["y", 1]}], {}, "row 1: a int in 'b', where text is needed"),
        ([{"a": "\ud83d", "b": "y"}], {}, "row 1: half a character in 'a'"),
    ],
)
def test_bad_input_gets_one_sentence(place, rows, changes, sentence):
    with pytest.raises(PrunekitError, match=sentence) as caught:
        from_files(section(place(*rows), **changes))
    assert "\n" not in str(caught.value)


BAD = [ROW, {"a": "x", "b": ""}, ROW, {"a": 3, "b": "y"}, {"a": "z", "b": " "}, {"a": "\udc00", "b": "y"}]


def test_all_bad_rows_are_named_at_once_by_what_is_wrong_with_them(place):
    with pytest.raises(PrunekitError, match=r"4 of 6 rows of .* cannot be used \(task.skip=true") as caught:
        from_files(section(place(*BAD)))
    assert "row 2, row 5: no text in 'b'; row 4: a int in 'a'" in str(caught.value)
    assert "row 6: half a character in 'a'" in str(caught.value)


def test_bad_rows_are_left_out_where_the_recipe_says_so_and_counted(place, caplog):
    path = place(*BAD)
    with open(path, "a", encoding="utf-8") as file:
        file.write("{\n")
    task = from_files(section(path, eval=place(ROW, name="dev.jsonl"), skip=True))
    assert task.train["source"][:] == ["one", "one"]
    assert task.skipped == {"train": 5, "dev": 0, "test": 0}
    assert "5 of 7 rows of" in caplog.text
    assert "line 7: not valid JSON" in caplog.text


def test_rows_that_are_all_bad_are_refused_whatever_the_recipe_says(place):
    with pytest.raises(PrunekitError, match="2 of 2 rows"):
        from_files(section(place({"a": "", "b": "x"}, {"a": "y", "b": ""}), skip=True))


def test_no_more_rows_are_read_than_the_limit(place):
    task = from_files(section(place(ROW, {"a": "two", "b": "zwei"}, {"a": "", "b": ""}), limit=2))
    assert task.train["source"][:] == ["one", "two"]


def test_languages_come_from_the_columns_that_the_recipe_names(place):
    rows = [{**ROW, "l": "deu"}, {**ROW, "l": None}]
    task = from_files(section(place(*rows), target_language_column="l", target_language="nld"))
    assert task.train["target_language"][:] == ["deu", "nld"]
    with pytest.raises(PrunekitError, match="row 2: no language in 'l'"):
        from_files(section(place(*rows), target_language_column="l"))
    with pytest.raises(PrunekitError, match="no column 'lang'"):
        from_files(section(place(*rows), target_language_column="lang"))


def test_a_task_plugin_is_summed_up_by_its_first_line():
    class Numbers(TaskPlugin):
        """Digits to words.

        And more.
        """

        name = "numbers"

        def open(self, section: TaskSection) -> Task:
            rows = task_table(["1"], ["one"])
            return Task(self.name, rows, rows, rows, section)

    assert (Numbers.summary, Numbers.model, Numbers.adapter, Numbers.defaults) == ("Digits to words.", None, None, {})
    assert Numbers().open(TaskSection()).name == "numbers"


def test_rows_have_their_targets_as_references_unless_they_have_more():
    assert task_table(["a", "b"], ["x", "y"])["references"][:] == [["x"], ["y"]]
    assert task_table(["a"], ["x"], [["x", "z"]])["references"][:] == [["x", "z"]]
    assert task_table([], []).column_names == ["source", "target", "references"]


def test_a_task_is_scored_by_metrics_of_its_normalized_texts():
    rows = task_table(["1"], ["one"])
    loud = Task("loud", rows, rows, rows, TaskSection(), normalize=str.upper)
    (metric,) = loud.scored_by([ExactMatch("exact_match")]).metrics
    assert metric.score(["ONE"], [["one"]]) == 1
    (plain,) = replace(loud, normalize=None).scored_by([ExactMatch("exact_match")]).metrics
    assert plain.score(["ONE"], [["one"]]) == 0
