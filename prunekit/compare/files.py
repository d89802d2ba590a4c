"""Where the files of a comparison lie: those of each trial, and those that all trials share."""

from pathlib import Path

from prunekit.compare.spec import Comparison
from prunekit.compare.trial import Trial

TRIALS = "trials"
"""The directory of the runs, in the comparison's output."""

FORMER_TRIALS = "cells"
"""What that directory was called before; a comparison that has it keeps it."""


def uncut_plan_path(comparison: Comparison) -> Path:
    """The plan that keeps everything, for the control."""
    return comparison.directory / "uncut.json"


def dense_answers_path(comparison: Comparison) -> Path:
    """The dense model's answers to the test rows, which all trials share."""
    return comparison.directory / "dense.jsonl"


class TrialFiles:
    """The files of one trial.

    Example: ``nash-600cpu-0`` of a comparison with the output ``out`` runs in ``out/trials/nash-600cpu-0``, beside
    which ``nash-600cpu-0.yaml`` holds its recipe.
    """

    def __init__(self, comparison: Comparison, trial: Trial):
        self.trial = trial
        former = comparison.directory / FORMER_TRIALS
        trials = former if former.is_dir() else comparison.directory / TRIALS
        self.directory = trials / trial.name
        self.record = comparison.archive / f"{trial.name}.json"

    def _beside(self, ending: str) -> Path:
        return self.directory.with_name(f"{self.directory.name}.{ending}")

    @property
    def recipe(self) -> Path:
        """The recipe that the run was begun with."""
        return self._beside("yaml")

    @property
    def sources(self) -> Path:
        """What the run was begun from: see `records.Sources`."""
        return self._beside("sources.json")

    @property
    def shape(self) -> Path:
        """The plan that trials of its shape read."""
        return self._beside("plan.json")

    @property
    def log(self) -> Path:
        """The output of a run in a process of its own."""
        return self._beside("log")

    @property
    def failure(self) -> Path:
        """Why the last attempt failed, in one sentence."""
        return self._beside("failed")

    @property
    def has_ended(self) -> bool:
        """Whether the run's directory is that of a complete run."""
        return (self.directory / "report.json").exists() and not (self.directory / "work" / "recipe.yaml").exists()

    def failure_reason(self) -> str | None:
        """Why the trial failed when it was last attempted; None if it did not."""
        return self.failure.read_text(encoding="utf-8").strip() if self.failure.exists() else None
