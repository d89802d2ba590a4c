"""The speeds of all shapes of a comparison, timed together: in turns, in one process."""

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any

from prunekit.compare.cells import Comparison
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
"""Beside the records: the speeds by plan, and what was timed."""


def timed_together(
    comparison: Comparison, plans: Iterable[str], progress: Progress | None = None
) -> dict[str, list[Speed]]:
    """How fast the shape of each plan is, all of them in turns with the dense model; by the plan's JSON.

    Runs that were timed one by one cannot be compared where the machine was busy with other things meanwhile. Speeds
    that were measured before are kept as long as the shapes and the workloads are the same.
    """
    recipe = resolve(over(comparison.base, {"output": comparison.output}))
    shapes = {f"shape {number}": plan for number, plan in enumerate(sorted(set(plans)))}
    asked = {"shapes": shapes, "measure": recipe.measure.model_dump(include={"workloads", "repeats", "threads"})}
    found = _kept(comparison, asked)
    if found is None:
        found = _time(recipe, shapes, progress)
        written = {**asked, "environment": environment(), "speeds": found}
        write_text(comparison.archive / SPEEDS, json.dumps(written, indent=2) + "\n")
    return {plan: [Speed.model_validate(speed) for speed in found[name]] for name, plan in shapes.items()}


def _kept(comparison: Comparison, asked: Mapping[str, Any]) -> dict[str, list[Any]] | None:
    """The speeds in the file, if it tells of the same shapes and workloads."""
    try:
        data = json.loads((comparison.archive / SPEEDS).read_text(encoding="utf-8"))
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
