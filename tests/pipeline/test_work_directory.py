"""The working directory of one file's making: one process, one kind of work, and nothing remains of it."""

import json

import pytest

from prunekit._support.lock import FileLock
from prunekit.errors import PrunekitError
from prunekit.pipeline.work_directory import WorkDirectory


@pytest.fixture
def work(tmp_path):
    return WorkDirectory(tmp_path / "out" / "x.jsonl", tmp_path / "out" / "y.jsonl")


def test_it_goes_once_the_block_has_ended_well(work):
    with work.in_use("this"):
        (work.path / "half").write_text("")
        work.output.write_text("done")
    assert [path.name for path in work.output.parent.iterdir()] == ["x.jsonl"]


def test_a_failure_leaves_the_work_for_the_same_command_only(work):

    def fail():
        with work.in_use("this"):
            (work.path / "half").write_text("so far")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert sorted(path.name for path in work.path.iterdir()) == ["asked.txt", "half"]
    with pytest.raises(PrunekitError, match="unfinished work of another command"), work.in_use("that"):
        pass
    assert (work.path / "half").read_text() == "so far"
    with work.in_use("this"):
        assert (work.path / "half").read_text() == "so far"
    assert not work.path.exists()


def test_another_process_is_waited_for(work):
    work.path.mkdir(parents=True)
    other = FileLock(work.path / "lock")
    assert other.acquire()
    holder = f"process {json.loads((work.path / 'lock').read_text())['pid']} on"
    with pytest.raises(PrunekitError, match=f"is being written by {holder}"), work.in_use("this"):
        pass
    assert other.held
    other.release()


@pytest.mark.parametrize("name", ["x.jsonl", "y.jsonl"])
def test_a_file_of_somebody_else_is_not_overwritten(work, name):
    work.output.parent.mkdir()
    (work.output.parent / name).write_text("precious")
    for attempt in (work.check, work.in_use("this").__enter__):
        with pytest.raises(PrunekitError, match=f"{name}' exists already"):
            attempt()
    assert [path.name for path in work.output.parent.iterdir()] == [name]


def test_a_kill_between_the_output_and_the_tidying_up_is_finished(work):
    work.path.mkdir(parents=True)
    (work.path / "asked.txt").write_text("this")
    work.output.write_text("done")
    work.check()
    with work.in_use("this"):
        assert work.output.exists()
    assert not work.path.exists()
    assert work.output.read_text() == "done"
