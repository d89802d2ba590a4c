"""The recipe of every trial: the base with the variant's keys, its seed, its budget and, if it takes one, its shape."""

import copy
from typing import Any

from prunekit._support.nested import over
from prunekit.compare.files import TrialFiles, dense_answers_path, uncut_plan_path
from prunekit.compare.grid import shape_source
from prunekit.compare.spec import DENSE_CONTINUED, Comparison
from prunekit.compare.trial import Trial
from prunekit.loading.resolve import resolve
from prunekit.recipe import Recipe


def base_recipe(comparison: Comparison) -> Recipe:
    """The recipe that all variants start from."""
    return resolve(over(comparison.base, {"output": comparison.output}))


def trial_recipe(comparison: Comparison, trial: Trial) -> Recipe:
    """The whole recipe of a trial; resolving it needs no model."""
    variant = comparison.named[trial.variant]
    base = copy.deepcopy(comparison.base)
    usual = base.get("strategy", Recipe.model_fields["strategy"].default)
    if variant.strategy not in (None, usual):
        base.pop("options", None)  # they belong to the base's strategy
    recipe = resolve(over(base, _overrides(comparison, trial)))
    if recipe.teacher.steps:  # every trial trains a dense model of its own
        return recipe
    answers = {"dense_predictions": str(dense_answers_path(comparison))}
    return recipe.model_copy(update={"measure": recipe.measure.model_copy(update=answers)})


def _overrides(comparison: Comparison, trial: Trial) -> dict[str, Any]:
    """The keys of a trial's recipe that are not the base's."""
    variant = comparison.named[trial.variant]
    keys = {**variant.keys, "seed": trial.seed, "output": str(TrialFiles(comparison, trial).directory)}
    keys["budget"] = trial.budget.model_dump() if trial.budget else {}
    source = shape_source(comparison, trial)
    if trial.variant == DENSE_CONTINUED:
        keys["plan"] = str(uncut_plan_path(comparison))
    elif source is not None:
        keys["plan"] = str(TrialFiles(comparison, source).shape)
        if variant.from_scratch is not None:
            keys["recovery"] = {**keys.get("recovery", {}), "weights": "random"}
    if keys.get("plan") is not None:
        keys["target"] = {"speedup": None}  # the plan decides what is kept
    return keys
