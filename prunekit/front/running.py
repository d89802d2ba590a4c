"""The runs of a front, one after the other, each from the model of the one before."""

import logging
from collections.abc import Callable, Mapping, Sequence

from prunekit._support.progress import Progress
from prunekit.errors import PrunekitError
from prunekit.front.front_directory import FrontDirectory
from prunekit.front.recipes import continued_from, step_recipe
from prunekit.front.steps import FrontStep, step_budget
from prunekit.pipeline.run import run
from prunekit.pipeline.start import Start, read_start
from prunekit.recipe import BudgetSection, Recipe
from prunekit.report.sections import SpentSection

log = logging.getLogger(__name__)


def steps_once(
    directory: FrontDirectory, depths: Sequence[int], find: Callable[[], Sequence[FrontStep]]
) -> list[FrontStep]:
    """The steps of a front, found once; raises `PrunekitError` where other depths are asked for later."""
    known = directory.once("steps", lambda: [step.model_dump() for step in find()])
    steps = [FrontStep.model_validate(step) for step in known]
    begun = [step.decoder_layers for step in steps]
    if depths and sorted(set(depths), reverse=True) != begun:
        raise PrunekitError(
            f"The front in {str(directory.path)!r} has steps of {', '.join(map(str, begun))} decoder layers; leave out "
            "--layers to go on with it, or choose another directory with --output."
        )
    return steps


def run_steps(
    recipe: Recipe, steps: Sequence[FrontStep], directory: FrontDirectory, progress: Progress | None
) -> dict[str, Start]:
    """Make every run that is not complete, each from the model of the one before; all of them, by name."""
    runs: dict[str, Start] = {}
    for number, step in enumerate(steps):
        shares = [each.share for each in steps[number:]]
        if not directory.has_ended(step.name):
            log.info("%s ...", step.name)
            budget = _budget(recipe, step, shares, runs, directory)
            run(_run_recipe(recipe, step, budget, runs, directory), _named(progress, step.name))
        runs[step.name] = read_start(directory.run_directory(step.name))
    return runs


def _budget(
    recipe: Recipe, step: FrontStep, shares: Sequence[float], runs: Mapping[str, Start], directory: FrontDirectory
) -> BudgetSection:
    """The budget of a step, found once, since seconds that were spent are a measurement."""
    spent = [start.report.spent for start in runs.values()]
    whole = SpentSection(
        examples=sum(each.examples for each in spent), cpu_seconds=sum(each.cpu_seconds for each in spent)
    )
    found = directory.once(
        f"budget-{step.name}", lambda: step_budget(recipe.budget, shares, whole).model_dump(mode="json")
    )
    return BudgetSection.parse(found)


def _run_recipe(
    recipe: Recipe, step: FrontStep, budget: BudgetSection, runs: Mapping[str, Start], directory: FrontDirectory
) -> Recipe:
    """The recipe of the next run after those that are complete."""
    answers = recipe.measure.dense_predictions or str(directory.dense_answers)
    own = step_recipe(recipe, step, budget, directory.run_directory(step.name), answers)
    if not runs:
        return own
    first, *others = [start.path for start in runs.values()]
    return continued_from(own, others[-1] if others else first, Recipe.load(first / "recipe.yaml"))


def _named(progress: Progress | None, name: str) -> Progress | None:
    """The progress of one run among several: its stages bear its name."""
    if progress is None:
        return None
    return lambda stage, done, total, figures: progress(f"{name}, {stage}", done, total, figures)
