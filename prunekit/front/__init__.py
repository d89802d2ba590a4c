"""A front in one command: cut in steps, recover at each, show quality over speed, and name the model to take."""

from collections.abc import Sequence
from functools import cache

from prunekit._support.progress import Progress
from prunekit.front.figures import Front
from prunekit.front.front_directory import FrontDirectory
from prunekit.front.measuring import measure_dense, measure_models
from prunekit.front.output import write_front
from prunekit.front.planning import front_depths, plan_steps
from prunekit.front.recipes import front_recipe
from prunekit.front.running import run_steps, steps_once
from prunekit.front.selection import Aim
from prunekit.front.summary import front_of
from prunekit.loading.context import open_run_context
from prunekit.pipeline.state import check_training
from prunekit.recipe import Recipe

__all__ = ["Aim", "Front", "front"]


def front(
    recipe: Recipe, depths: Sequence[int] = (), aim: Aim | None = None, progress: Progress | None = None
) -> Front:
    """Prune as `recipe` says in steps that keep `depths` decoder layers each, and write all models and their figures.

    Every step is a run that starts from the recovered weights of the step before, with the dense model as the teacher.
    The recipe's budget is that of all steps together. Without `depths` the decoder is halved until four layers are
    kept, then loses one at a time. Leaves ``front.json``, ``front.html`` and ``results.md`` in the output directory,
    beside a run directory for every step. The same call goes on where it stopped; with another `aim` it only names
    another model. Raises `PrunekitError` for what cannot work.
    """
    recipe, strategy = front_recipe(recipe)
    directory = FrontDirectory(recipe)
    directory.check()
    context = cache(lambda: open_run_context(recipe))
    if not directory.asked.exists():  # what cannot work is refused before anything is written
        check_training(recipe)
        front_depths(recipe, depths, context())
    with directory.in_use():
        steps = steps_once(directory, depths, lambda: plan_steps(recipe, strategy, depths, context(), progress))
        dense = directory.once("dense", lambda: measure_dense(recipe, context(), directory, progress))
        context.cache_clear()  # every run opens the dense model itself
        runs = run_steps(recipe, steps, directory, progress)
        models = measure_models(runs, dense["dev"]["score"], directory, context, progress)
        found = front_of(recipe, runs, dense, models, aim or Aim())
        write_front(found, directory.path)
    return found
