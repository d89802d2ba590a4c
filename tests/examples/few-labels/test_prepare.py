"""The rows of few labels: which have some, and that the recipes read them."""

import json

import pytest

from prunekit import Recipe
from prunekit._support.yaml_file import read_yaml
from prunekit.data import g2p
from prunekit.loading.context import open_run_context
from prunekit.loading.resolve import resolve


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def folder(load, tmp_path, monkeypatch):
    prepare = load("few-labels/prepare.py")
    monkeypatch.setattr(prepare, "LABELLED", 3)
    monkeypatch.setattr(prepare, "UNLABELLED", 5)
    monkeypatch.setattr(g2p, "words", lambda split, known=g2p.words: dict(list(known(split).items())[:20]))
    prepare.main(tmp_path)
    return tmp_path


def test_labels_are_the_dictionarys_and_unlabelled_words_are_others(folder):
    few, mixed, bare = (read(folder / f"{name}.jsonl") for name in ("few", "mixed", "none"))
    assert (len(few), len(bare)) == (3, 5)
    assert mixed == [*few, *bare]
    assert {row["word"] for row in few}.isdisjoint(row["word"] for row in bare)
    assert all(row["phonemes"] in g2p.words("train")[row["word"]] for row in few)
    assert all(set(row) == {"word"} for row in bare)
    assert {row["word"]: tuple(row["phonemes"]) for row in read(folder / "dev.jsonl")} == {
        word: tuple(variants) for word, variants in g2p.words("dev").items()
    }


@pytest.mark.parametrize(("name", "rows"), [("much", 20), ("few", 8), ("none", 5)])
def test_the_recipes_read_them(folder, examples, name, rows):
    asked = Recipe.parse(read_yaml(examples / f"few-labels/{name}.yaml")).model_dump(exclude_unset=True)
    for key in ("train", "eval", "test"):
        asked["task"][key] = str(folder / asked["task"][key].rpartition("/")[2])
    asked["model"] = str(g2p.MODEL)
    assert len(open_run_context(resolve(asked)).task.train) == rows
