"""A model labels a file: its own columns come back with answers, killed or not, and nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import datasets
import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

from prunekit.data.columns import read_table
from prunekit.data.table import task_table
from prunekit.errors import PrunekitError
from prunekit.loading.resolve import resolve
from prunekit.pipeline.labelling import _asked, dropped_path, label_file
from prunekit.pipeline.work_directory import WorkDirectory
from prunekit.recipe import TaskSection

SOURCES = ("a b c", "d e", "f", "g h i", "a c", "b d f", "e", "h a b")


@pytest.fixture
def rows(tmp_path):
    """Eight rows, of which every second has a label, and a column that is nobody's business."""
    lines = [{"n": n, "a": text, **({"b": text} if n % 2 else {})} for n, text in enumerate(SOURCES)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def recipe(t5_directory, rows):
    def make(**more):
        rule = more.pop("filter", {"unended": True})
        task = {"train": str(rows), "source": "a", "target": "b", "metric": "wer", "target_length": 6}
        task |= more.pop("task", {})
        base = {"model": str(t5_directory), "device": "cpu", "task": task, "measure": {"batch": 3}}
        return resolve({**base, "recovery": {"targets": "teacher", "filter": rule}, **more})

    return make


@pytest.fixture
def said(t5_directory, letters):
    """What the model says to each source, greedily, one at a time."""
    model = AutoModelForSeq2SeqLM.from_pretrained(t5_directory)
    model.config.decoder_layers = model.config.num_decoder_layers
    answers = []
    for text in SOURCES:
        ids = torch.tensor([letters(text)["input_ids"]])
        output = model.generate(ids, max_new_tokens=6, do_sample=False, num_beams=1)
        answers.append(letters.decode(output[0], skip_special_tokens=True).strip())
    assert all(answers)
    return answers


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_keep_their_columns_and_get_the_answer(recipe, said, tmp_path):
    found = label_file(recipe(), tmp_path / "labels.jsonl")
    written = read(tmp_path / "labels.jsonl")
    assert [row["b"] for row in written] == said
    assert [(row["n"], row["a"]) for row in written] == list(enumerate(SOURCES))
    assert [row.get("label") for row in written] == [text if n % 2 else None for n, text in enumerate(SOURCES)]
    assert all(row["score"] < 0 and row["tokens"] <= 6 and row["ended"] in (True, False) for row in written)
    assert (found.kept, found.skipped, found.dropped()) == (8, 0, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.jsonl", "rows.jsonl"]


def test_labels_in_their_places_are_rows_to_train_on(recipe, said, tmp_path):
    label_file(recipe(), tmp_path / "labels.jsonl")
    table = read_table(str(tmp_path / "labels.jsonl"), (), TaskSection(source="a", target="b")).table
    assert (table["source"][:], table["target"][:]) == (list(SOURCES), said)


def test_dropped_rows_stand_in_a_file_of_their_own_with_every_reason(recipe, said, tmp_path):
    output = tmp_path / "labels.jsonl"
    rule = {"unended": True, "most_word_errors": 0.0, "most_tokens": 5}
    found = label_file(recipe(filter=rule), output)
    kept, dropped = read(output), read(dropped_path(output))
    assert [row["b"] for row in sorted([*kept, *dropped], key=lambda row: row["n"])] == said
    lengths = [min(len(text.split()) + 1, 6) for text in said]  # the end is a token, unless it is cut off
    for row in dropped:
        wrong = "label" in row and row["b"] != row["label"]
        long = lengths[row["n"]] > 5
        assert row["dropped"] == [*(["most_tokens"] if long else []), *(["most_word_errors"] if wrong else [])]
    assert all(lengths[row["n"]] <= 5 and row.get("label", row["b"]) == row["b"] for row in kept)
    numbers = {reason: [row["n"] + 1 for row in dropped if reason in row["dropped"]] for reason in found.dropped()}
    assert found.dropped() == numbers
    assert numbers


def test_other_kinds_of_files_and_rows_that_cannot_be_used(recipe, said, tmp_path):
    table = datasets.Dataset.from_list([{"a": text, "raw": b"\xff"} for text in (*SOURCES[:2], "", SOURCES[2])])
    table.to_parquet(tmp_path / "rows.parquet")
    task = {"train": str(tmp_path / "rows.parquet"), "skip": True}
    found = label_file(recipe(task=task), tmp_path / "labels.jsonl")
    written = read(tmp_path / "labels.jsonl")
    assert [(row["a"], row["b"], "raw" in row) for row in written] == [
        (text, answer, False) for text, answer in zip(SOURCES[:3], said, strict=False)
    ]
    assert (found.numbers, found.skipped) == ((1, 2, 4), 1)


def test_a_column_that_would_be_overwritten_is_refused(recipe, rows, tmp_path):
    rows.write_text('{"a": "a", "score": 3}\n')
    with pytest.raises(PrunekitError, match="has the column 'score', which is written for every answer"):
        label_file(recipe(), tmp_path / "labels.jsonl")


@pytest.mark.parametrize("name", ["label", "score"])
def test_answers_have_a_column_for_themselves(recipe, rows, tmp_path, name):
    """An old label, or a score, would stand in their place."""
    rows.write_text(json.dumps({"a": "a", name: "b"}) + "\n")
    with pytest.raises(PrunekitError, match=f"cannot be written to the column '{name}'"):
        label_file(recipe(task={"target": name}), tmp_path / "labels.jsonl")


def test_an_output_that_exists_is_refused_and_other_rows_do_not_go_on(recipe, rows, tmp_path):
    output = tmp_path / "labels.jsonl"

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label_file(recipe(), output, stop)
    rows.write_text('{"a": "b"}\n')
    with pytest.raises(PrunekitError, match="the rows have changed since"):
        label_file(recipe(), output)
    output.write_text("precious")
    (tmp_path / "labels.jsonl.work/asked.txt").unlink()
    with pytest.raises(PrunekitError, match="exists already"):
        label_file(recipe(), output)


def test_limits_may_change_after_a_kill_even_once_the_files_are_there(recipe, said, tmp_path, monkeypatch):
    """As any others that change meanwhile, they decide what the files hold."""
    output = tmp_path / "labels.jsonl"

    def kill(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(WorkDirectory, "_remove", kill)
    with pytest.raises(KeyboardInterrupt):
        label_file(recipe(filter={"unended": True, "most_tokens": 5}), output)
    assert dropped_path(output).exists()
    monkeypatch.undo()
    assert label_file(recipe(), output).kept == len(read(output)) == len(SOURCES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.jsonl", "rows.jsonl"]


def test_rows_that_are_asked_in_another_language_are_other_rows(recipe, t5):
    def asked(language):
        table = task_table(["a"], [""], [[]], {"target_language": [language], "number": [1]})
        return _asked(recipe(), SimpleNamespace(task=SimpleNamespace(train=table), model=t5))

    assert asked("deu_Latn") == asked("deu_Latn") != asked("fra_Latn")


KILLED = """
import sys, time
from pathlib import Path
from prunekit.pipeline.labelling import label_file
from prunekit.recipe import Recipe

def progress(stage, done, total, figures):
    if done == 6:
        Path(sys.argv[3]).touch()
        time.sleep(60)

label_file(Recipe.load(sys.argv[1]), Path(sys.argv[2]), progress)
"""


@pytest.mark.full
def test_a_killed_labelling_ends_as_the_undisturbed_one(recipe, tmp_path):
    asked = recipe(filter={"unended": True, "most_word_errors": 0.5})
    (tmp_path / "recipe.yaml").write_text(asked.dump())
    there = tmp_path / "there"
    words = [sys.executable, "-c", KILLED, *map(str, (tmp_path / "recipe.yaml", tmp_path / "k/x.jsonl", there))]
    process = subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    try:
        while not there.exists():
            assert process.poll() is None, "it ended before it got there"
            assert time.monotonic() < deadline, "it never got there"
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "k/x.jsonl").exists()
    done = []
    label_file(asked, tmp_path / "k/x.jsonl", lambda *figures: done.append(figures[1]))
    assert done == [6, 8]
    label_file(asked, tmp_path / "w/x.jsonl")
    whole = {path.name: path.read_bytes() for path in (tmp_path / "w").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "k").iterdir()} == whole
    assert set(whole) == {"x.jsonl", "x.dropped.jsonl"}
