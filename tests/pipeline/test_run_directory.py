"""The run directory: whose it is, what it keeps for a process that resumes, and when it is complete."""

import os
import shutil

import pytest

from prunekit import PrunekitError
from prunekit.pipeline.run_directory import RunDirectory, is_complete_run


def test_only_a_directory_that_is_new_empty_or_this_recipes_is_taken(recipe, tmp_path):
    asked = recipe()
    mine = RunDirectory(asked)
    mine.check()
    (tmp_path / "run").mkdir()
    mine.check()
    mine.claim()
    mine.check()
    mine.lock.release()
    with pytest.raises(PrunekitError, match="the unfinished run of another recipe"):
        RunDirectory(recipe(seed=1)).check()
    mine.close(asked)
    with pytest.raises(PrunekitError, match="is not empty and holds no unfinished run"):
        mine.check()
    other = recipe(output=str(tmp_path / "file"))
    (tmp_path / "file").touch()
    with pytest.raises(PrunekitError, match="is a file; name a directory"):
        RunDirectory(other).check()


def test_one_process_at_a_time_works_in_it(recipe, tmp_path):
    first, second = RunDirectory(recipe()), RunDirectory(recipe())
    with first.in_use():
        first.claim()
        before = sorted(tmp_path.rglob("*"))
        for refused in (second.check, second.claim, second.reclaim, lambda: second.once("steps", dict)):
            with pytest.raises(PrunekitError, match=f"'{tmp_path}/run' is in use by process {os.getpid()} on "):
                refused()
        with second.stage("find"):
            pass
        assert sorted(tmp_path.rglob("*")) == before
    second.reclaim()
    assert second.lock.held


def test_a_process_that_was_slower_finds_the_run_complete(recipe, tmp_path, monkeypatch):
    """It looked when the directory was new, and claims it when the other has ended."""
    first, second = RunDirectory(recipe()), RunDirectory(recipe())
    first.claim()
    first.close(recipe())
    looks = iter([lambda: None, second.check])
    monkeypatch.setattr(second, "check", lambda: next(looks)())
    with pytest.raises(PrunekitError, match="holds no unfinished run"):
        second.claim()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["log.jsonl", "recipe.yaml"]


def test_a_process_that_was_killed_while_it_claimed_does_no_harm(recipe, tmp_path):
    (tmp_path / "run/work").mkdir(parents=True)
    (tmp_path / "run/work/lock").touch()
    directory = RunDirectory(recipe())
    directory.claim()
    assert (tmp_path / "run/work/recipe.yaml").exists()


@pytest.mark.parametrize("removed", [0, 1, 2])
def test_a_process_that_was_killed_while_it_tidied_up_left_a_complete_run(recipe, tmp_path, monkeypatch, removed):
    directory = RunDirectory(recipe())
    directory.claim()
    for name in ("learn-1", "recover-1"):
        (directory.work / name).mkdir()
    usual = shutil.rmtree
    calls = []

    def killed(path, **given):
        calls.append(path)
        if len(calls) > removed:
            raise KeyboardInterrupt
        usual(path, **given)

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        directory.close(recipe(seed=7))
    monkeypatch.undo()
    directory.lock.release()
    assert not RunDirectory(recipe(seed=1)).finish()
    assert RunDirectory(recipe()).finish()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["log.jsonl", "recipe.yaml"]
    assert not RunDirectory(recipe()).finish()


def test_a_kill_before_the_empty_directory_was_removed_left_a_finished_run(recipe, tmp_path, monkeypatch):
    directory = RunDirectory(recipe())
    directory.claim()
    assert not is_complete_run(directory.path)

    usual = shutil.rmtree

    def killed(path, **given):
        if path != directory.work:
            return usual(path, **given)
        (path / "recipe.yaml").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        directory.close(recipe())
    assert directory.work.exists()
    assert is_complete_run(directory.path)


def test_nothing_is_written_before_the_directory_is_claimed(recipe, tmp_path):
    directory = RunDirectory(recipe())
    with directory.stage("find"):
        directory.check()
    assert not (tmp_path / "run").exists()
    assert directory.seconds()["find"] >= 0


def test_what_is_found_once_is_found_once_by_all_processes(recipe):
    found = []

    def find():
        found.append(len(found))
        return {"steps": len(found)}

    first = RunDirectory(recipe())
    with first.in_use():
        assert first.once("steps", find) == {"steps": 1}
    assert RunDirectory(recipe()).once("steps", find) == {"steps": 1}
    assert found == [0]


def test_what_cannot_be_found_leaves_nothing_behind(recipe, tmp_path):
    with pytest.raises(ZeroDivisionError):
        RunDirectory(recipe()).once("steps", lambda: 1 / 0)
    assert not (tmp_path / "run").exists()


def test_seconds_add_up_over_stages_and_processes(recipe):
    first = RunDirectory(recipe())
    with first.in_use():
        first.claim()
        for _ in range(2):
            with first.stage("cut"):
                pass
    second = RunDirectory(recipe())
    before = second.seconds()["cut"]
    with second.stage("find"):
        second.reclaim()
    with pytest.raises(KeyError), second.stage("cut"):
        raise KeyError
    assert second.seconds()["cut"] > before
    assert second.seconds().keys() == {"find", "cut"}


def test_the_complete_run_leaves_the_recipe_that_repeats_it(recipe, tmp_path):
    directory = RunDirectory(recipe())
    directory.claim()
    repeats = recipe(seed=7)
    directory.close(repeats)
    assert type(repeats).load(tmp_path / "run/recipe.yaml") == repeats
    assert not directory.work.exists()
