"""Trainings read from a log: phases, resumed steps, and values that are no numbers."""

import json

from prunekit.report.training_log import trainings


def written(path, entries, more=""):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + more)
    return path


def entry(phase, step, **figures):
    return {"phase": phase, "step": step, **figures}


def test_without_a_log_there_are_no_trainings(tmp_path):
    assert trainings(tmp_path / "log.jsonl") == []


def test_a_phase_may_train_twice(tmp_path):
    end = {"train_runtime": 1.0}
    log = [entry("learn", 5, loss=3), entry("learn", 5, **end), entry("learn", 5, loss=2), entry("recover", 5, loss=1)]
    found = trainings(written(tmp_path / "log.jsonl", log))
    assert [(one.phase, one.points("loss")) for one in found] == [
        ("learn", [(5, 3)]),
        ("learn", [(5, 2)]),
        ("recover", [(5, 1)]),
    ]


def test_a_resumed_training_counts_every_step_once(tmp_path):
    log = [entry("learn", step, loss=step) for step in (5, 10, 15)] + [entry("learn", 10, loss=-1)]
    found = trainings(written(tmp_path / "log.jsonl", log, more='{"phase": "learn", "st'))
    assert len(found) == 1
    assert found[0].points("loss") == [(5, 5), (10, -1)]
    assert found[0].steps == 10


def test_what_is_no_number_is_not_drawn(tmp_path):
    log = [entry("learn", 5, loss=float("nan")), entry("learn", 10, loss=float("inf")), entry("learn", 15, loss="x")]
    assert trainings(written(tmp_path / "log.jsonl", [*log, {"note": 1}]))[0].points("loss") == []
