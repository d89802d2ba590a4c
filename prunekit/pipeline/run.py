"""One run, from recipe to report: its stages, in their order."""

from collections.abc import Callable

from prunekit._support.progress import Progress
from prunekit.pipeline import stages
from prunekit.pipeline.state import RunState, open_run
from prunekit.recipe import Recipe
from prunekit.report.report import Report

STAGES: tuple[tuple[str, Callable[[RunState], RunState]], ...] = (
    ("find", stages.aim_at_speed),
    ("find", stages.check_given_plan),
    ("find", stages.look_before_work),
    ("learn", stages.train_teacher),
    ("cut", stages.cut_vocabulary),
    ("learn", stages.propose_upfront),
    ("cut", stages.cut_proposal),
    ("learn", stages.learn_plan),
    ("cut", stages.cut_proposal),
    ("recover", stages.recover),
    ("measure", stages.evaluate),
)
"""The stages of a run, each with the key of `report.json`'s ``seconds`` under which its time counts."""


def run(recipe: Recipe, progress: Progress | None = None) -> Report:
    """Prune as `recipe` says and write the result into its output directory.

    Leaves ``recipe.yaml``, ``plan.json``, ``model/``, ``report.json``, ``report.html``, ``predictions.jsonl`` and
    ``log.jsonl`` there. A budget stands in that recipe as the steps of recovery that it allowed for, so that repeating
    it repeats the run. Raises `PrunekitError` for anything that cannot work, before the directory is touched where that
    can be known.
    """
    state = open_run(recipe, progress)
    for counted, stage in STAGES:
        with state.directory.stage(counted):
            state = stage(state)
    report = stages.write_results(state).report
    assert report is not None
    return report
