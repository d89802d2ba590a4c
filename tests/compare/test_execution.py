"""Running trials: what is finished is left alone, what failed has a reason, what died is tidied up."""

import json
import signal
import sys

import pytest

from prunekit.compare import Comparison, compare, execution
from prunekit.compare.execution import failed_trials, is_finished, run_trials
from prunekit.compare.files import TrialFiles, dense_answers_path, uncut_plan_path
from prunekit.compare.grid import ordered_trials
from prunekit.compare.trial import Trial
from prunekit.errors import PrunekitError
from prunekit.recipe import BudgetSection

NARROW = Trial("narrow", BudgetSection(examples=24), 0)


@pytest.fixture
def small(comparison):
    """One variant and the control, one seed."""
    return comparison | {"seeds": [0], "baselines": [], "variants": {"narrow": {}}}


def test_a_run_that_died_before_its_record_is_tidied_up(small, tmp_path, made, monkeypatch):
    found = Comparison.parse(small)
    write = execution.write_record
    monkeypatch.setattr(execution, "write_record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        compare(found, trials=[NARROW])
    monkeypatch.setattr(execution, "write_record", write)
    assert (tmp_path / "out/trials/narrow-24ex-0/model").exists()
    compare(found, trials=[NARROW])
    assert made == ["narrow-24ex-0"]
    assert not (tmp_path / "out/trials/narrow-24ex-0/model").exists()


def test_a_failure_is_written_down_and_the_next_trial_runs(small, tmp_path, monkeypatch):
    found = Comparison.parse(small)
    begun = []

    def fails(recipe, progress=None):
        begun.append(recipe.output.rpartition("/")[2])
        raise PrunekitError("it broke\nin two lines")

    monkeypatch.setattr(execution, "run", fails)
    trials = ordered_trials(found)
    run_trials(found, trials)
    assert begun == [trial.name for trial in trials]
    assert failed_trials(found, trials) == {trial.name: "it broke in two lines" for trial in trials}
    assert not any(is_finished(found, trial) for trial in trials)


def test_what_all_trials_share_is_made_once_before_the_first(small, monkeypatch):
    found = Comparison.parse(small)
    answers = dense_answers_path(found)
    seen = []

    def looks(recipe, progress=None):
        seen.append((answers.exists(), json.loads(uncut_plan_path(found).read_text())))
        raise PrunekitError("enough")

    monkeypatch.setattr(execution, "run", looks)
    run_trials(found, [NARROW])
    before = answers.stat().st_mtime_ns
    run_trials(found, [NARROW])
    assert [there for there, _ in seen] == [True, True]
    assert answers.stat().st_mtime_ns == before
    assert not TrialFiles(found, NARROW).record.exists()


def test_what_no_trial_can_be_asked_leaves_nothing_behind(small, monkeypatch):
    found = Comparison.parse(small)

    def refused(recipe):
        raise PrunekitError("too long")

    monkeypatch.setattr(execution, "open_run_context", refused)
    with pytest.raises(PrunekitError, match="too long"):
        run_trials(found, [NARROW])
    assert not uncut_plan_path(found).parent.exists()


PATIENT = """#!/bin/sh
trap 'echo saved > "{place}/$3.saved"; exit 143' TERM
echo begun > "{place}/begun-$$"
while true; do sleep 0.05; done
"""


def test_runs_of_a_comparison_that_is_stopped_are_asked_to_save(small, tmp_path, monkeypatch):
    """Two stand for runs that take for ever; the comparison ends when they have saved."""
    place = tmp_path / "patient"
    place.mkdir()
    (place / "python").write_text(PATIENT.replace("$3", "$$").format(place=place))
    (place / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(place / "python"))
    found = Comparison.parse(small)

    def stop(*_):
        if len(list(place.glob("begun-*"))) < 2:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            return
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            run_trials(found, ordered_trials(found), jobs=2)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(list(place.glob("*.saved"))) == 2
