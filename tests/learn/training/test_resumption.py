"""The last whole checkpoint: the latest with all its files, whatever a kill or a full disk left beside it."""

import json
import shutil
from types import SimpleNamespace

import pytest

from prunekit._support.stopping import StopRequest
from prunekit.learn.training.budget import BudgetTracker
from prunekit.learn.training.resumption import (
    CheckpointCallback,
    finish_checkpoint,
    is_whole,
    last_whole_checkpoint,
    rewind,
)

FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("12345\n")
    return path


def checkpoint(tmp_path, step, log=None):
    directory = tmp_path / f"learn-1/checkpoint-{step}"
    directory.mkdir(parents=True)
    for name in FILES:
        (directory / name).write_text(f"{name} at {step}")
    if log is not None:
        finish_checkpoint(directory, log)
    return directory


@pytest.mark.parametrize("name", [*FILES, "whole.json"])
def test_one_that_lacks_a_file_or_has_half_of_it_is_passed_over(tmp_path, log, name):
    older, newer = checkpoint(tmp_path, 9, log), checkpoint(tmp_path, 10, log)
    assert is_whole(newer)
    if name != "whole.json":
        (newer / name).write_text("half")
        assert not is_whole(newer)
    (newer / name).unlink()
    assert last_whole_checkpoint(newer.parent) == older
    assert not newer.exists(), "the training writes another one there"


def test_the_latest_counts_by_its_step_and_the_others_go(tmp_path, log):
    whole = [checkpoint(tmp_path, step, log) for step in (90, 100)]
    checkpoint(tmp_path, 110)
    assert last_whole_checkpoint(whole[0].parent) == whole[1]
    assert [path.name for path in whole[0].parent.iterdir()] == ["checkpoint-100"]
    shutil.rmtree(whole[1])
    assert last_whole_checkpoint(whole[0].parent) is None
    assert last_whole_checkpoint(tmp_path / "new") is None


def test_the_log_is_again_what_it_was(tmp_path, log):
    directory = tmp_path / "learn-1"
    directory.mkdir()
    rewind(log, directory, None)
    log.write_text("12345\nstep 1\n")
    saved = checkpoint(tmp_path, 1, log)
    log.write_text("12345\nstep 1\nstep 2\nste")
    rewind(log, directory, saved)
    assert log.read_text() == "12345\nstep 1\n"
    rewind(log, directory, None)
    assert log.read_text() == "12345\n"
    log.write_text("123")
    rewind(log, directory, saved)
    assert log.read_text() == "123", "a log that somebody shortened does not grow"


def test_a_save_keeps_the_seconds_and_the_caches_and_then_marks_the_checkpoint(tmp_path, log):
    tracker = BudgetTracker(tmp_path / "spent.json")
    older, newer = checkpoint(tmp_path, 1, log), checkpoint(tmp_path, 2)
    marked = []
    cache = SimpleNamespace(save=lambda: marked.append(is_whole(newer)))
    callback = CheckpointCallback(tracker, log, [cache], StopRequest())
    with tracker.running():
        sum(n * n for n in range(100_000))
        callback.on_save(SimpleNamespace(output_dir=str(newer.parent)), SimpleNamespace(global_step=2), None)
        kept = json.loads((tmp_path / "spent.json").read_text())["seconds"]
    assert 0 < kept <= tracker.seconds
    assert marked == [False]
    assert is_whole(newer)
    assert not older.exists()


def test_the_last_step_leaves_no_checkpoint():
    """From there transformers would train one step more, and the result is written anyway."""
    control = SimpleNamespace(should_save=True, should_training_stop=True)
    callback = CheckpointCallback(BudgetTracker(), None, [], StopRequest())
    callback.on_step_end(None, SimpleNamespace(global_step=9, max_steps=9), control)
    assert not control.should_save
    assert not callback.stopped


@pytest.mark.parametrize(("signal", "step", "stops"), [(None, 3, False), (15, 3, True), (15, 9, False)])
def test_a_training_that_is_asked_to_stop_saves_and_ends_unless_it_is_done(signal, step, stops):
    request = StopRequest()
    request.signal = signal
    control = SimpleNamespace(should_save=False, should_training_stop=False)
    callback = CheckpointCallback(BudgetTracker(), None, [], request)
    callback.on_step_end(None, SimpleNamespace(global_step=step, max_steps=9), control)
    assert (control.should_save, control.should_training_stop, callback.stopped) == (stops, stops, stops)
