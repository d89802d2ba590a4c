"""What stays of a cell: one small file, enough for the tables, for the cells of its shape, and to not make it again."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prunekit.compare.cells import Cell, Comparison, place_of, recipe_of
from prunekit.data.metrics import METRICS
from prunekit.errors import PrunekitError
from prunekit.files import write_text
from prunekit.find.units import PruningPlan
from prunekit.measure.predictions import Predictions
from prunekit.measure.report import Report
from prunekit.measure.sections import ReportSection
from prunekit.recipe import Recipe
from prunekit.subject import model_of

PATHS: Any = {"output": True, "plan": True, "measure": {"dense_predictions"}}
"""What of a cell's recipe only says where things lie, so that a finished comparison may be moved."""


class Record(ReportSection):
    """A finished cell: what was asked, of which weights, what came of it, which units stayed.

    `weights` is `fingerprint`'s, None for a model by the name of a hub.
    `scores` are the parts of the metric's score per test row, whose sums over any choice of rows make up that choice's
    score; None for a metric without. Example: 6,323 words, each (1,) or (0,).
    """

    recipe: dict[str, Any]
    weights: str | None
    report: Report
    plan: dict[str, tuple[int, ...]]
    scores: list[tuple[float, ...]] | None = None

    @property
    def shape(self) -> str:
        """The plan as `plan.json` spells it."""
        return PruningPlan(self.plan).to_json()


def path_of(comparison: Comparison, cell: Cell) -> Path:
    """Where a cell's record lies."""
    return comparison.archive / f"{cell.name}.json"


def record_of(comparison: Comparison, cell: Cell) -> Record | None:
    """The record of a cell that is finished, by the recipe and the dense model that it has now; else None.

    A dense model that is not here cannot contradict a record.
    """
    try:
        record = Record.model_validate_json(path_of(comparison, cell).read_text(encoding="utf-8"))
        asked, recipe = Recipe.parse(record.recipe), recipe_of(comparison, cell)
    except (OSError, ValidationError, PrunekitError):  # not there, or of another version of prunekit
        return None
    here = weights_of(recipe)
    return record if same(asked, recipe) and (here is None or here == record.weights) else None


def keep(comparison: Comparison, cell: Cell) -> None:
    """Write the record of a cell whose run has ended."""
    place = place_of(comparison, cell)
    report = Report.load(place / "report.json")
    metric = METRICS.get(report.quality.metric) if report.quality else None
    scores = None
    if metric is not None and metric.parts is not None:
        answers = Predictions.load(place / "predictions.jsonl")
        scores = metric.row_parts(answers.pruned, answers.references)
    recipe = recipe_of(comparison, cell)
    record = Record(
        recipe=recipe.model_dump(mode="json", exclude=PATHS),
        weights=weights_of(recipe),
        report=report,
        plan=dict(PruningPlan.load(place / "plan.json").kept),
        scores=scores,
    )
    write_text(path_of(comparison, cell), spelled(record))


def spelled(record: Record) -> str:
    """JSON with a line for every key of the record, so that versions can be told apart line by line."""
    data = record.model_dump(mode="json")
    if record.scores is not None:
        data["scores"] = [[int(part) if part == int(part) else part for part in row] for row in record.scores]
    lines = (f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in data.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def same(one: Recipe, other: Recipe) -> bool:
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


@cache
def fingerprint(model: str) -> str | None:
    """SHA-256 of the weights in a model's directory; None where there is no such directory."""
    digest, found = hashlib.sha256(), sorted(Path(model).glob("*.safetensors"))
    for path in found:
        digest.update(path.read_bytes())
    return digest.hexdigest() if found else None
