"""The speeds of all shapes of a comparison, timed together: in turns, in one process."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from prunekit._support.atomic import write_text
from prunekit._support.progress import Progress, counting
from prunekit.compare.records import weights_of
from prunekit.compare.spec import Comparison
from prunekit.cut.surgery import cut_copy
from prunekit.find.plan import PruningPlan
from prunekit.latency.timing import Speed, speedups
from prunekit.latency.workload import input_maker_for
from prunekit.loading.context import open_run_context
from prunekit.loading.resolve import resolve
from prunekit.measure.environment import environment
from prunekit.recipe import Recipe, over

SPEEDS = "speeds.json"
"""Beside the records: the speeds by digest of the plan, and what was timed."""


DIGITS = 16
"""Of a digest in hexadecimal."""


@dataclass(frozen=True)
class Speeds:
    """The speeds of shapes, by the JSON of their plans, one for each workload; and on what they were measured."""

    of: Mapping[str, Sequence[Speed]]
    environment: dict[str, str | int]


def timed_together(comparison: Comparison, plans: Iterable[str], progress: Progress | None = None) -> Speeds:
    """How fast the shape of each plan is, all of them in turns with the dense model.

    Runs that were timed one by one cannot be compared where the machine was busy with other things meanwhile. Speeds
    that were measured before are kept as long as the shapes, the workloads and the dense model are the same.
    """
    recipe = resolve(over(comparison.base, {"output": comparison.output}))
    shapes = {sha256(plan.encode()).hexdigest()[:DIGITS]: plan for plan in sorted(set(plans))}
    measure = recipe.measure.model_dump(mode="json", include={"workloads", "repeats", "threads"})
    model = recipe.model_dump(include={"adapter", "dtype", "device"}) | {"weights": weights_of(recipe)}
    asked = {"shapes": sorted(shapes), "measure": measure, "model": model}
    known = _kept(comparison, asked)
    if known is None:
        known = {**asked, "environment": environment(), "speeds": _time(recipe, shapes, progress)}
        write_text(comparison.archive / SPEEDS, json.dumps(known, indent=2) + "\n")
    found = {plan: [Speed.model_validate(one) for one in known["speeds"][name]] for name, plan in shapes.items()}
    return Speeds(found, known["environment"])


def _kept(comparison: Comparison, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the file says, if it tells of the same shapes, workloads and model, as far as that is here."""
    try:
        data = json.loads((comparison.archive / SPEEDS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("model"), dict):
        return None
    model = asked["model"] | ({} if asked["model"]["weights"] else {"weights": data["model"].get("weights")})
    return data if {key: data.get(key) for key in asked} == {**asked, "model": model} else None


def _time(recipe: Recipe, shapes: Mapping[str, str], progress: Progress | None) -> dict[str, list[Any]]:
    """Cut a copy of the dense model to every plan, whatever its weights, and let them take turns."""
    context = open_run_context(recipe)
    plans = {name: PruningPlan.from_dict(json.loads(plan)) for name, plan in shapes.items()}
    models = {name: cut_copy(context.model, plan, context.adapter, context.graph) for name, plan in plans.items()}
    found: dict[str, list[Any]] = {name: [] for name in shapes}
    wanted = recipe.measure
    for workload in wanted.workloads:
        tell = counting(progress, f"speeds together, batch {workload.batch}")
        inputs = input_maker_for(context.processor)
        times = speedups(context.model, models, workload, wanted.repeats, wanted.threads, recipe.seed, tell, inputs)
        for name, speed in times.items():
            found[name].append(speed.model_dump())
    return found
