"""The directory: one process, one recipe, and nothing that others have there is touched."""

import subprocess
import sys

import pytest

from prunekit import PrunekitError
from prunekit.compare.sources import files_hash
from prunekit.front.front_directory import FrontDirectory


@pytest.fixture
def directory(recipe, tmp_path):
    return lambda **more: FrontDirectory(recipe(output=str(tmp_path / "front"), **more))


def test_the_same_recipe_goes_on_and_others_are_refused(directory, tmp_path, pairs):
    with directory().in_use():
        pass
    directory().check()
    with pytest.raises(PrunekitError, match="front of another recipe"):
        directory(seed=1).check()
    pairs.write_text(pairs.read_text() + '{"a": "z", "b": "z"}\n')
    files_hash.cache_clear()  # as in another process
    with pytest.raises(PrunekitError, match="another recipe, model or data"):
        directory().check()


def test_a_front_may_be_moved(directory, recipe, tmp_path):
    with directory().in_use():
        pass
    (tmp_path / "front").rename(tmp_path / "moved")
    FrontDirectory(recipe(output=str(tmp_path / "moved"))).check()


def test_what_is_found_is_found_once(directory):
    found = directory()
    with found.in_use():
        assert found.once("depth", lambda: {"a": 1}) == {"a": 1}
        assert found.once("depth", lambda: {"a": 2}) == {"a": 1}


def test_strangers_files_are_not_touched(directory, tmp_path):
    (tmp_path / "front").mkdir()
    (tmp_path / "front/lock").touch()  # of a process that was killed while it claimed the directory
    directory().check()
    (tmp_path / "front/thesis.tex").touch()
    with pytest.raises(PrunekitError, match="holds no front"):
        directory().check()
    (tmp_path / "file").touch()
    with pytest.raises(PrunekitError, match="is a file"):
        FrontDirectory(directory().recipe.model_copy(update={"output": str(tmp_path / "file")})).check()


def test_another_process_is_told_who_is_there(directory, tmp_path):
    code = """
        import sys, time
        from pathlib import Path
        from prunekit._support.lock import FileLock
        assert FileLock(Path(sys.argv[1])).acquire()
        print("held", flush=True)
        time.sleep(60)
    """
    (tmp_path / "front").mkdir()
    words = [sys.executable, "-c", "\n".join(line.strip() for line in code.splitlines()), str(tmp_path / "front/lock")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "held\n"
            with pytest.raises(PrunekitError, match=f"in use by process {other.pid}"), directory().in_use():
                pass
        finally:
            other.kill()
    with directory().in_use():
        assert (tmp_path / "front/front.yaml").exists()
