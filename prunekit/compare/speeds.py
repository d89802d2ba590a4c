"""The speeds of all shapes of a comparison, interleaved in one process."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from prunekit._support.atomic import write_text
from prunekit._support.progress import Progress, counting
from prunekit.compare.recipes import base_recipe
from prunekit.compare.sources import weights_hash
from prunekit.compare.spec import Comparison
from prunekit.cut.surgery import cut_copy
from prunekit.find.plan import PruningPlan
from prunekit.latency.timing import Speed, speedups
from prunekit.latency.workload import input_maker_for
from prunekit.loading.context import RunContext, open_run_context
from prunekit.measure.environment import environment
from prunekit.recipe import MeasureSection, Recipe

SPEEDS = "speeds.json"
"""Beside the records: the speeds by hash of the plan, and what was timed."""

HASH_DIGITS = 16
"""Hexadecimal digits of a plan's hash."""


@dataclass(frozen=True)
class Speeds:
    """The speeds of shapes, by the JSON of their plans, one for each workload; and on what they were measured."""

    of: Mapping[str, Sequence[Speed]]
    environment: dict[str, str | int]


def time_together(comparison: Comparison, plans: Iterable[str], progress: Progress | None = None) -> Speeds:
    """Time the shape of every plan, all of them interleaved with the dense model.

    Runs that were timed one by one cannot be compared where the machine was doing other things meanwhile. Earlier
    measurements are used as long as the shapes, the workloads and the dense model are the same.
    """
    recipe = base_recipe(comparison)
    shapes = {sha256(plan.encode()).hexdigest()[:HASH_DIGITS]: plan for plan in sorted(set(plans))}
    measure = recipe.measure.model_dump(mode="json", include={"workloads", "repeats", "threads"})
    model = recipe.model_dump(include={"adapter", "dtype", "device"}) | {"weights": weights_hash(recipe)}
    conditions = {"shapes": sorted(shapes), "measure": measure, "model": model}
    known = _stored(comparison, conditions)
    if known is None:
        known = {**conditions, "environment": environment(), "speeds": _measure(recipe, shapes, progress)}
        write_text(comparison.archive / SPEEDS, json.dumps(known, indent=2) + "\n")
    of = {plan: [Speed.model_validate(one) for one in known["speeds"][name]] for name, plan in shapes.items()}
    return Speeds(of, known["environment"])


def _stored(comparison: Comparison, conditions: Mapping[str, Any]) -> dict[str, Any] | None:
    """The stored speeds, if they are of these shapes, workloads and model; weights count where they are available."""
    try:
        data = json.loads((comparison.archive / SPEEDS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("model"), dict):
        return None
    model = conditions["model"]
    if model["weights"] is None:
        model = {**model, "weights": data["model"].get("weights")}
    return data if {key: data.get(key) for key in conditions} == {**conditions, "model": model} else None


def _measure(recipe: Recipe, shapes: Mapping[str, str], progress: Progress | None) -> dict[str, list[Any]]:
    context = open_run_context(recipe)
    plans = {name: PruningPlan.from_dict(json.loads(plan)) for name, plan in shapes.items()}
    found = time_shapes(context, plans, recipe.measure, recipe.seed, progress)
    return {name: [speed.model_dump() for speed in speeds] for name, speeds in found.items()}


def time_shapes(
    context: RunContext, plans: Mapping[str, PruningPlan], measure: MeasureSection, seed: int, progress: Progress | None
) -> dict[str, list[Speed]]:
    """One speed for each workload, by the plans' names: copies of the dense model are cut to them, and interleaved."""
    models = {name: cut_copy(context.model, plan, context.adapter, context.graph) for name, plan in plans.items()}
    found: dict[str, list[Speed]] = {name: [] for name in plans}
    inputs = input_maker_for(context.processor)
    for workload in measure.workloads:
        stage = counting(progress, f"speeds together, batch {workload.batch}")
        speeds = speedups(context.model, models, workload, measure.repeats, measure.threads, seed, stage, inputs)
        for name, speed in speeds.items():
            found[name].append(speed)
    return found
