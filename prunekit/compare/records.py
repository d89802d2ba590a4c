"""What stays of a cell: one small file, enough for the tables, for the cells of its shape, and to not make it again."""

import hashlib
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prunekit._support.atomic import write_text
from prunekit._support.frozen import FrozenModel
from prunekit.compare.spec import Comparison, Trial, trial_directory, trial_recipe
from prunekit.data.metrics.metric import SummedMetric
from prunekit.errors import PrunekitError
from prunekit.find.plan import PruningPlan
from prunekit.loading.task import model_of, open_task
from prunekit.measure.predictions import Predictions
from prunekit.recipe import Recipe
from prunekit.report.report import Report

PATHS: Any = {"output": True, "plan": True, "measure": {"dense_predictions"}}
"""What of a cell's recipe only says where things lie, so that a finished comparison may be moved."""


class Sources(FrozenModel):
    """What a run starts from, each by its SHA-256; None for what is not here, or was not noted.

    `weights` are the dense model's, `data` the files of its task, `given` the plan that it is cut to without asking a
    strategy.
    """

    weights: str | None = None
    data: str | None = None
    given: str | None = None

    @classmethod
    def of(cls, recipe: Recipe, plan: str | None) -> "Sources":
        """Those of a recipe and of the plan that it is given, as `plan.json` spells it."""
        digest = None if plan is None else hashlib.sha256(plan.encode()).hexdigest()
        return cls(weights=weights_of(recipe), data=data_of(recipe), given=digest)

    def agrees(self, other: "Sources") -> bool:
        """Whether nothing that both know contradicts."""
        pairs = ((self.weights, other.weights), (self.data, other.data), (self.given, other.given))
        return all(None in pair or pair[0] == pair[1] for pair in pairs)


class Record(Sources):
    """A finished cell: what was asked, from what it started, what came of it, which units stayed.

    `scores` are the parts of the metric's score per test row, whose sums over any choice of rows make up that choice's
    score; None for a metric without. Example: 6,323 words, each (1,) or (0,).
    """

    recipe: dict[str, Any]
    report: Report
    plan: dict[str, tuple[int, ...]]
    scores: list[tuple[float, ...]] | None = None

    @property
    def shape(self) -> str:
        """The plan as `plan.json` spells it."""
        return PruningPlan(self.plan).to_json()


def record_path(comparison: Comparison, cell: Trial) -> Path:
    """Where a cell's record lies."""
    return comparison.archive / f"{cell.name}.json"


def read_record(comparison: Comparison, cell: Trial) -> Record | None:
    """The record of a cell that is finished, by the recipe and the sources that it has now; else None.

    A dense model that is not here cannot contradict a record. A cell that takes another's shape is finished only as
    long as that one is.
    """
    try:
        record = Record.model_validate_json(record_path(comparison, cell).read_text(encoding="utf-8"))
        asked, recipe = Recipe.parse(record.recipe), trial_recipe(comparison, cell)
        given = _given(comparison, cell, recipe)
        alike = same_recipe(asked, recipe) and record.agrees(Sources.of(recipe, given))
    except (OSError, ValidationError, PrunekitError):  # not there, or of another version of prunekit
        return None
    return record if alike and (given is not None or comparison.needed(cell) is None) else None


def write_record(comparison: Comparison, cell: Trial) -> None:
    """Write the record of a cell whose run has ended."""
    place, recipe = trial_directory(comparison, cell), trial_recipe(comparison, cell)
    report = Report.load(place / "report.json")
    record = Record(
        **Sources.of(recipe, _given(comparison, cell, recipe)).model_dump(),
        recipe=recipe.model_dump(mode="json", exclude=PATHS),
        report=report,
        plan=dict(PruningPlan.load(place / "plan.json").kept),
        scores=_scores(recipe, report, place / "predictions.jsonl"),
    )
    write_text(record_path(comparison, cell), recipe_text(record))


def sources_of(comparison: Comparison, cell: Trial) -> Sources:
    """What a cell would start from now."""
    recipe = trial_recipe(comparison, cell)
    return Sources.of(recipe, _given(comparison, cell, recipe))


def _given(comparison: Comparison, cell: Trial, recipe: Recipe) -> str | None:
    """The plan that a cell is cut to, as `plan.json` spells it; None where a strategy is asked, or it is not here."""
    if (needed := comparison.needed(cell)) is not None:
        other = read_record(comparison, needed)
        return None if other is None else other.shape
    return PruningPlan.load(recipe.plan).to_json() if recipe.plan is not None and Path(recipe.plan).is_file() else None


def _scores(recipe: Recipe, report: Report, answers: Path) -> list[tuple[float, ...]] | None:
    """What the answers to the test rows score, row by row, as the task counts; None where that can't be told by rows.

    A task may have a metric of its own under a known name: its parts count only if they come to what was reported.
    """
    quality = report.quality
    if quality is None:
        return None
    metric = open_task(recipe.task).metrics[0]
    if not isinstance(metric, SummedMetric):
        return None
    found = Predictions.load(answers)
    scores = metric.row_parts(found.pruned, found.references)
    whole = metric.figure([sum(parts) for parts in zip(*scores, strict=True)])
    return scores if math.isclose(whole, quality.pruned, rel_tol=1e-6, abs_tol=1e-9) else None


def recipe_text(record: Record) -> str:
    """JSON with a line for every key of the record, so that versions can be told apart line by line."""
    data = record.model_dump(mode="json")
    if record.scores is not None:
        data["scores"] = [[int(part) if part == int(part) else part for part in row] for row in record.scores]
    lines = (f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in data.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def same_recipe(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes ask for the same, wherever their files lie."""
    return _asked(one) == _asked(other)


def _asked(recipe: Recipe) -> dict[str, Any]:
    """What decides a run; steps of recovery give way to a budget."""
    data = recipe.model_dump(exclude=PATHS)
    if recipe.budget.limited:
        del data["recovery"]["steps"]
    return data


def weights_of(recipe: Recipe) -> str | None:
    """The `fingerprint` of the dense model of a run: the recipe's, or the one that its task brings."""
    return fingerprint(model_of(recipe))


def data_of(recipe: Recipe) -> str | None:
    """The `fingerprint` of the files that the recipe's task names; None where none of them is here."""
    named = (recipe.task.train, recipe.task.eval, recipe.task.test)
    return fingerprint(*(path for path in named if path is not None and Path(path).is_file()))


@cache
def fingerprint(*paths: str) -> str | None:
    """SHA-256 of files, and of the weights in the directories of models; None where there are none."""
    inside = [sorted(Path(path).glob("*.safetensors")) if Path(path).is_dir() else [Path(path)] for path in paths]
    digest, found = hashlib.sha256(), [path for part in inside for path in part if path.is_file()]
    for path in found:
        digest.update(path.read_bytes())
    return digest.hexdigest() if found else None
