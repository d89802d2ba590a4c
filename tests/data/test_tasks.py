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
        ([ROW, {"a": "x", "b": None}], {}, "Row 2 of .* has no text in 'b'"),
        ([ROW, {"a": "x", "b": " "}], {}, "Row 2 of .* has no text in 'b'"),
        ([ROW, {"a": "x"}], {}, "Row 2 of .* has no text in 'b'"),
        ([ROW, {"a": None, "b": "x"}], {}, "Row 2 of .* has no text in 'a'"),
        ([ROW], {"target": "c"}, "Row 1 of .* has a int in 'c', where text is needed"),
        ([{"a": ["x"], "b": "y"}], {}, "Row 1 of .* has a list in 'a', where text is needed"),
        ([{"a": "x", "b": []}], {}, "Row 1 of .* has a list in 'b', where text is needed"),
        ([{"a": "x", "b": ["y", ""]}], {}, "Row 1 of .* has no text in 'b'"),
        ([{"a": "x", "b": ["y", 1]}], {}, "Row 1 of .* has a int in 'b', where text is needed"),
        ([{"a": "\ud83d", "b": "y"}], {}, "Row 1 of .* has half a character in 'a'"),
    ],
)
def test_bad_input_gets_one_sentence(place, rows, changes, sentence):
    with pytest.raises(PrunekitError, match=sentence) as caught:
        from_files(section(place(*rows), **changes))
    assert "\n" not in str(caught.value)


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
