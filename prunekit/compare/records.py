"""The record kept of a finished trial: one small file, enough to rebuild tables, to reuse its shape, and to skip it."""

import json
import math
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prunekit._support.atomic import write_text
from prunekit.compare.files import TrialFiles
from prunekit.compare.grid import shape_source
from prunekit.compare.recipes import trial_recipe
from prunekit.compare.sources import Sources
from prunekit.compare.spec import Comparison
from prunekit.compare.trial import Trial
from prunekit.data.metrics.metric import SummedMetric
from prunekit.errors import PrunekitError
from prunekit.find.plan import PruningPlan
from prunekit.loading.task import open_task
from prunekit.measure.predictions import Predictions
from prunekit.recipe import Recipe
from prunekit.report.report import Report

PATHS: Any = {"output": True, "plan": True, "measure": {"dense_predictions"}}
"""Keys of a trial's recipe that only name files, so that a finished comparison may be moved."""


class Record(Sources):
    """A finished trial: its recipe, what it started from, its report, and which units were kept.

    `scores` are the parts of the metric's score per test row; the sums of the parts over any choice of rows give the
    score of that choice. None for a metric without. Example: 6,323 words, each (1,) or (0,).
    """

    recipe: dict[str, Any]
    report: Report
    plan: dict[str, tuple[int, ...]]
    scores: list[tuple[float, ...]] | None = None

    @property
    def shape(self) -> str:
        """The plan as the text of a `plan.json`."""
        return PruningPlan(self.plan).to_json()


def read_record(comparison: Comparison, trial: Trial) -> Record | None:
    """The record of a trial that is finished, with the recipe and the sources that it has now; else None.

    If the dense model is not available, its hash is not checked. A trial that takes another's shape is finished only as
    long as that one is.
    """
    try:
        record = Record.model_validate_json(TrialFiles(comparison, trial).record.read_text(encoding="utf-8"))
        recorded = Recipe.parse(record.recipe)
        recipe = trial_recipe(comparison, trial)
        given = _given_plan(comparison, trial, recipe)
        current = same_recipe(recorded, recipe) and record.agrees(Sources.of(recipe, given))
    except (OSError, ValidationError, PrunekitError):  # missing, or of another version of prunekit
        return None
    has_shape = given is not None or shape_source(comparison, trial) is None
    return record if current and has_shape else None


def write_record(comparison: Comparison, trial: Trial) -> None:
    """Write the record of a trial whose run has ended."""
    files = TrialFiles(comparison, trial)
    recipe = trial_recipe(comparison, trial)
    report = Report.load(files.directory / "report.json")
    record = Record(
        **dict(Sources.of(recipe, _given_plan(comparison, trial, recipe))),
        recipe=recipe.model_dump(mode="json", exclude=PATHS),
        report=report,
        plan=dict(PruningPlan.load(files.directory / "plan.json").kept),
        scores=row_scores(recipe, report, files.directory / "predictions.jsonl"),
    )
    write_text(files.record, record_text(record))


def sources_of(comparison: Comparison, trial: Trial) -> Sources:
    """What a trial would start from now."""
    recipe = trial_recipe(comparison, trial)
    return Sources.of(recipe, _given_plan(comparison, trial, recipe))


def _given_plan(comparison: Comparison, trial: Trial, recipe: Recipe) -> str | None:
    """The text of the plan that a trial is cut to; None where a strategy decides, or the plan is not available."""
    source = shape_source(comparison, trial)
    if source is not None:
        record = read_record(comparison, source)
        return None if record is None else record.shape
    return PruningPlan.load(recipe.plan).to_json() if recipe.plan is not None and Path(recipe.plan).is_file() else None


def row_scores(recipe: Recipe, report: Report, answers: Path) -> list[tuple[float, ...]] | None:
    """The score's parts of the answers to the test rows, as the task counts; None where rows have no scores.

    They are checked against the reported score, since a task may change its metric.
    """
    quality = report.quality
    if quality is None:
        return None
    metric = open_task(recipe.task).metrics[0]
    if not isinstance(metric, SummedMetric):
        return None
    predictions = Predictions.load(answers)
    scores = metric.row_parts(predictions.pruned, predictions.references, predictions.languages)
    whole = metric.figure([sum(parts) for parts in zip(*scores, strict=True)])
    return scores if math.isclose(whole, quality.pruned, rel_tol=1e-6, abs_tol=1e-9) else None


def record_text(record: Record) -> str:
    """JSON with one line for every key of the record, so that versions can be compared line by line."""
    data = record.model_dump(mode="json")
    if record.scores is not None:
        data["scores"] = [[int(part) if part == int(part) else part for part in row] for row in record.scores]
    lines = (f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in data.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def same_recipe(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes ask for the same run, wherever their files lie.

    The precision ``auto`` is the same as any other: a trial that was begun has the one that it came to.
    """
    keys = [_deciding_keys(recipe) for recipe in (one, other)]
    if "auto" in (one.training.precision, other.training.precision):
        for data in keys:
            del data["training"]["precision"]
    return keys[0] == keys[1]


def _deciding_keys(recipe: Recipe) -> dict[str, Any]:
    """The keys that decide a run; steps of recovery give way to a budget."""
    data = recipe.model_dump(exclude=PATHS)
    if recipe.budget.limited:
        del data["recovery"]["steps"]
    return data
