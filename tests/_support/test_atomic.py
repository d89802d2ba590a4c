"""A write that fails leaves what was there, and nothing else."""

import os
import subprocess
import sys

import pytest

from prunekit import PrunekitError
from prunekit._support.atomic import atomic_write, insert_between, write_text


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_a_file_appears_whole_with_its_parents(tmp_path):
    write_text(tmp_path / "deep" / "er" / "a.txt", "über")
    assert (tmp_path / "deep" / "er" / "a.txt").read_bytes() == "über".encode()
    assert names(tmp_path / "deep" / "er") == ["a.txt"]


def test_a_directory_takes_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").touch()
    with atomic_write(target) as draft:
        draft.mkdir()
        (draft / "new").touch()
        assert names(target) == ["old"]
    assert names(target) == ["new"]
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_changes_nothing(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write():
        with atomic_write(target) as draft:
            draft.write_text("ne")
            raise error

    with pytest.raises(error):
        write()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_directory_comes_back_if_the_last_rename_fails(tmp_path, monkeypatch):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").touch()
    rename = os.replace

    def full(source, destination):
        if source.name == "model" and source.parent != tmp_path:
            raise OSError("no space left")
        rename(source, destination)

    def write():
        with atomic_write(target) as draft:
            draft.mkdir()

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        write()
    assert names(target) == ["old"]
    assert names(tmp_path) == ["model"]


WRITING = """
import sys, time
from pathlib import Path
from prunekit._support.atomic import atomic_write

with atomic_write(Path(sys.argv[1])) as draft:
    draft.mkdir()
    (draft / "half").touch()
    print("half", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_left_goes_and_what_a_live_one_writes_does_not(tmp_path):
    target = tmp_path / "model"
    words = [sys.executable, "-c", WRITING, target]
    killed, live = (subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2))
    try:
        assert [process.stdout.readline() for process in (killed, live)] == ["half\n", "half\n"]
        killed.kill()
        killed.wait()
        (tmp_path / ".model.other").touch()
        write_text(tmp_path / "model.txt", "of another name")
        assert len(list(tmp_path.glob(".model.*.draft/model/half"))) == 2
        write_text(target, "whole")
        assert target.read_text() == "whole"
        assert len(list(tmp_path.glob(".model.*.draft/model/half"))) == 1
    finally:
        for process in (killed, live):
            process.kill()
            process.wait()
            process.stdout.close()
    write_text(target, "again")
    assert names(tmp_path) == [".model.other", "model", "model.txt"]


def test_text_between_markers_is_replaced(tmp_path):
    document = tmp_path / "page.md"
    document.write_text("before\n<!-- table -->\nold\n<!-- /table -->\nafter\n")
    insert_between(document, "table", "new\n\n")
    assert document.read_text() == "before\n<!-- table -->\nnew\n<!-- /table -->\nafter\n"


@pytest.mark.parametrize("text", ["", "<!-- table -->\n", "<!-- /table -->\n<!-- table -->\n", None])
def test_a_document_without_both_markers_is_refused(tmp_path, text):
    document = tmp_path / "page.md"
    if text is not None:
        document.write_text(text)
    sentence = "cannot be read" if text is None else "has no place for the table; put <!-- table --> and <!-- /table"
    with pytest.raises(PrunekitError, match=sentence):
        insert_between(document, "table", "new")
    assert not document.exists() or document.read_text() == text
