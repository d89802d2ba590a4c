"""Callbacks of a training: one line of JSON per entry, means of single steps."""

import json
from types import SimpleNamespace

import pytest

from prunekit.learn.training import callbacks
from prunekit.learn.training.callbacks import LogCallback, StepTimerCallback


def state(step, main=True, history=()):
    return SimpleNamespace(global_step=step, max_steps=9, is_world_process_zero=main, log_history=list(history))


def test_entries_are_appended_as_lines_of_json_by_the_main_process(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"phase": "teacher"}\n')
    callback = LogCallback(path, "learn", None)
    callback.on_log(None, state(3), None, logs={"loss": 0.5})
    callback.on_log(None, state(4), None, logs={})
    callback.on_log(None, state(5, main=False), None, logs={"loss": 0.25})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"phase": "teacher"}, {"phase": "learn", "step": 3, "loss": 0.5}]


def test_the_display_gets_every_step_with_the_latest_figures(tmp_path):
    seen = []
    callback = LogCallback(tmp_path / "log.jsonl", "recover", lambda *update: seen.append(update))
    callback.on_step_end(None, state(1), None)
    callback.on_step_end(None, state(2, history=[{"loss": 2.0}, {"loss": 1.0}]), None)
    callback.on_step_end(None, state(3, main=False), None)
    assert seen == [("recover", 1, 9, {}), ("recover", 2, 9, {"loss": 1.0})]
    LogCallback(tmp_path / "log.jsonl", "recover", None).on_step_end(None, state(1), None)


def test_the_mean_of_some_steps_is_their_time_by_their_number(monkeypatch):
    times = iter([10.0, 12.0, 15.0, 15.0, 15.0])
    monkeypatch.setattr(callbacks, "clock", lambda device: next(times))
    timer = StepTimerCallback("cpu")
    timer.on_train_begin(None, None, None)
    for _ in range(4):
        timer.on_step_end(None, None, None)
    assert timer.mean(0, 2) == 2.5
    assert timer.mean(1, 4) == 1.0
    assert timer.mean(2, 4) == pytest.approx(1e-6)  # a clock that did not tick
