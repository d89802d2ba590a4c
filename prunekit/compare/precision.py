"""One precision for all trials of a comparison, measured once on the dense model, where their recipes leave it open."""

import json
import threading

from prunekit._support.atomic import write_text
from prunekit.compare.recipes import base_recipe
from prunekit.compare.spec import Comparison
from prunekit.pipeline.precision import measure_precision
from prunekit.pipeline.state import open_run
from prunekit.recipe import Recipe

ONE_AT_A_TIME = threading.Lock()
"""Trials that begin together in several threads wait for the first of them to measure."""


def in_shared_precision(comparison: Comparison, recipe: Recipe) -> Recipe:
    """A trial's recipe with the comparison's precision in the place of ``auto``.

    Trials that each measured for themselves could train in different precisions, and equal seconds would not be equal.
    """
    if recipe.training.precision != "auto":
        return recipe
    with ONE_AT_A_TIME:
        precision = _measured_once(comparison)
    training = recipe.training.model_copy(update={"precision": precision})
    return recipe.model_copy(update={"training": training})


def _measured_once(comparison: Comparison) -> str:
    path = comparison.directory / "precision.json"
    if not path.exists():
        nowhere = {"output": str(comparison.directory / "unused")}  # which is opened, and never written
        write_text(path, json.dumps(measure_precision(open_run(base_recipe(comparison).model_copy(update=nowhere)))))
    return str(json.loads(path.read_text(encoding="utf-8"))["precision"])
