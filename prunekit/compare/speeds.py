"""The speeds of all shapes of a comparison, timed together: in turns, in one process."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from prunekit.compare.cells import Cell, Comparison, place_of
from prunekit.compare.figures import Speed
from prunekit.files import write_text
from prunekit.find.units import PruningPlan
from prunekit.line import Progress, counting
from prunekit.measure.environment import environment
from prunekit.measure.latency import speedups
from prunekit.measure.workload import inputs_for
from prunekit.pipeline import prune
from prunekit.recipe import Recipe, over
from prunekit.subject import open_subject, resolve

SPEEDS = "speeds.json"
"""Beside the cells: the speeds by plan, and what was timed."""


def timed_together(
    comparison: Comparison, cells: Sequence[Cell], progress: Progress | None = None
) -> dict[Cell, list[Speed]]:
    """How fast the shape of each finished cell is, all of them in turns with the dense model.

    Runs that were timed one by one cannot be compared where the machine was busy with other things meanwhile. Speeds
    that were measured before are kept as long as the shapes and the workloads are the same.
    """
    plans = {cell: (place_of(comparison, cell) / "plan.json").read_text(encoding="utf-8") for cell in cells}
    recipe = resolve(over(comparison.base, {"output": comparison.output}))
    shapes = {f"shape {number}": plan for number, plan in enumerate(sorted(set(plans.values())))}
    asked = {"shapes": shapes, "measure": recipe.measure.model_dump(include={"workloads", "repeats", "threads"})}
    found = _kept(comparison, asked)
    if found is None:
        found = _time(recipe, shapes, progress)
        written = {**asked, "environment": environment(), "speeds": found}
        write_text(comparison.directory / SPEEDS, json.dumps(written, indent=2) + "\n")
    names = {plan: name for name, plan in shapes.items()}
    return {cell: [Speed.model_validate(speed) for speed in found[names[plan]]] for cell, plan in plans.items()}


def _kept(comparison: Comparison, asked: Mapping[str, Any]) -> dict[str, list[Any]] | None:
    """The speeds in the file, if it tells of the same shapes and workloads."""
    try:
        data = json.loads((comparison.directory / SPEEDS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = isinstance(data, dict) and json.dumps({key: data.get(key) for key in asked}) == json.dumps(asked)
    return dict(data["speeds"]) if same else None


def _time(recipe: Recipe, shapes: Mapping[str, str], progress: Progress | None) -> dict[str, list[Any]]:
    """Cut a copy of the dense model to every plan, whatever its weights, and let them take turns."""
    subject = open_subject(recipe)
    models = {}
    for name, plan in shapes.items():
        kept = PruningPlan.from_dict(json.loads(plan))
        models[name] = prune(copy.deepcopy(subject.model), kept, subject.adapter)
    found: dict[str, list[Any]] = {name: [] for name in shapes}
    wanted = recipe.measure
    for workload in wanted.workloads:
        tell = counting(progress, f"speeds together, batch {workload.batch}")
        inputs = inputs_for(subject.reader)
        times = speedups(subject.model, models, workload, wanted.repeats, wanted.threads, recipe.seed, tell, inputs)
        for name, (speedup, wall) in times.items():
            found[name].append(Speed(workload=workload, speedup=speedup, wall_speedup=wall).model_dump())
    return found
