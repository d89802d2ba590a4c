"""The run directory: whose it is, what it keeps for a process that resumes, and when it is complete."""

import pytest

from prunekit import PrunekitError
from prunekit.pipeline.run_directory import RunDirectory


def test_only_a_directory_that_is_new_empty_or_this_recipes_is_taken(recipe, tmp_path):
    asked = recipe()
    mine = RunDirectory(asked)
    mine.check()
    (tmp_path / "run").mkdir()
    mine.check()
    mine.claim()
    mine.check()
    with pytest.raises(PrunekitError, match="the unfinished run of another recipe"):
        RunDirectory(recipe(seed=1)).check()
    mine.close(asked)
    with pytest.raises(PrunekitError, match="is not empty and holds no unfinished run"):
        mine.check()
    other = recipe(output=str(tmp_path / "file"))
    (tmp_path / "file").touch()
    with pytest.raises(PrunekitError, match="is a file; name a directory"):
        RunDirectory(other).check()


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

    assert RunDirectory(recipe()).once("steps", find) == {"steps": 1}
    assert RunDirectory(recipe()).once("steps", find) == {"steps": 1}
    assert found == [0]


def test_what_cannot_be_found_leaves_nothing_behind(recipe, tmp_path):
    with pytest.raises(ZeroDivisionError):
        RunDirectory(recipe()).once("steps", lambda: 1 / 0)
    assert not (tmp_path / "run").exists()


def test_seconds_add_up_over_stages_and_processes(recipe):
    first = RunDirectory(recipe())
    first.claim()
    for _ in range(2):
        with first.stage("cut"):
            pass
    second = RunDirectory(recipe())
    before = second.seconds()["cut"]
    with pytest.raises(KeyError), second.stage("cut"):
        raise KeyError
    assert second.seconds()["cut"] > before


def test_the_complete_run_leaves_the_recipe_that_repeats_it(recipe, tmp_path):
    directory = RunDirectory(recipe())
    directory.claim()
    repeats = recipe(seed=7)
    directory.close(repeats)
    assert type(repeats).load(tmp_path / "run/recipe.yaml") == repeats
    assert not directory.work.exists()
