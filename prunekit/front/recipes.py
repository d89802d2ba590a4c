"""The recipes of a front's runs: the common one, with a step's layers, its part of the budget, and where it starts."""

from pathlib import Path

from prunekit.errors import PrunekitError
from prunekit.front.steps import FrontStep
from prunekit.learn.strategy import Strategy
from prunekit.loading.context import open_strategy
from prunekit.loading.resolve import resolve
from prunekit.recipe import BudgetSection, Recipe


def front_recipe(recipe: Recipe) -> tuple[Recipe, Strategy]:
    """The resolved recipe of a front, and its strategy; raises `PrunekitError` for one that cannot go in steps."""
    recipe = resolve(recipe.model_dump(exclude_unset=True))
    if recipe.plan is not None:
        raise PrunekitError("A front finds a plan for every step; leave out plan, or cut to it with prunekit run.")
    if recipe.target.speedup is not None:
        raise PrunekitError(
            "A front tries several speeds, so its recipe aims at none (target.speedup); leave that out, and name the "
            "model to take with --target-speedup."
        )
    if recipe.teacher.steps:
        raise PrunekitError(
            "All steps of a front share one dense model, which is not trained in it (teacher.steps); fine-tune the "
            "model before, and leave teacher.steps out."
        )
    if recipe.recovery.weights == "random":
        raise PrunekitError(
            "A front goes on from weights that were recovered, so recovery.weights cannot be random; leave it out."
        )
    if not recipe.measure.workloads:
        raise PrunekitError("A front shows quality over speed; name something to time in measure.workloads.")
    strategy = open_strategy(recipe)
    if "decoder_layers" not in type(strategy).model_fields:
        raise PrunekitError(
            f"The strategy {recipe.strategy!r} cannot be told how many decoder layers to keep; take one with the "
            "option decoder_layers, such as nash or depth."
        )
    return recipe, strategy


def step_recipe(recipe: Recipe, step: FrontStep, budget: BudgetSection, place: Path, answers: str) -> Recipe:
    """The recipe of one step's run in `place`; `answers` names the dense model's answers to the test rows."""
    options = {**recipe.options, "decoder_layers": step.decoder_layers}
    if step.encoder_sparsity is not None:
        options["encoder_sparsity"] = step.encoder_sparsity
    changed = {
        "options": options,
        "output": str(place),
        "budget": budget,
        "recovery": recipe.recovery.model_copy(update={"steps": step.recovery_steps}),
        "measure": recipe.measure.model_copy(update={"dense_predictions": answers}),
    }
    return recipe.model_copy(update=changed)


def continued_from(recipe: Recipe, before: Path, first: Recipe) -> Recipe:
    """The recipe of a run that starts from the one in `before`, and trains in the precision that the `first` measured.

    `first` is what the first step's recipe came to.
    """
    return recipe.model_copy(update={"start": str(before), "training": first.training})
