"""One run, from recipe to report; or only the look before it."""

import tempfile
from collections.abc import Callable
from contextlib import closing

from prunekit._support.processes import refuse_several_processes
from prunekit._support.progress import Progress
from prunekit.loading.resolve import resolve
from prunekit.pipeline.run_directory import RunDirectory
from prunekit.pipeline.stages import LOOKING, STAGES, write_results
from prunekit.pipeline.state import RunState, open_run
from prunekit.recipe import Recipe
from prunekit.report.data_section import DataSection
from prunekit.report.report import Report

SAMPLE = 20_000
"""Training rows that a dry run looks at, drawn by chance, where there are more."""


def run(recipe: Recipe, progress: Progress | None = None, show: Callable[[DataSection], None] | None = None) -> Report:
    """Prune as `recipe` says and write the result into its output directory.

    Leaves ``recipe.yaml``, ``plan.json``, ``model/``, ``report.json``, ``report.html``, ``predictions.jsonl`` and
    ``log.jsonl`` there, and ``targets.jsonl`` where the teacher wrote training targets. A budget stands in that recipe
    as the steps of recovery that it allowed for, so that repeating it repeats the run. `show` is told what the look at
    model and data finds, before any work begins.

    Raises `PrunekitError` for anything that cannot work, before the directory is touched where that can be known.
    """
    refuse_several_processes()
    directory = RunDirectory(resolve(recipe.model_dump(exclude_unset=True)))
    if directory.finish():
        return Report.load(directory.path / "report.json")
    state = open_run(recipe, progress, show)
    with state.directory.in_use(), closing(state.trackers):
        state.directory.reclaim()
        report = _work(state).report
    assert report is not None
    return report


def _work(state: RunState) -> RunState:
    """Every stage in its turn."""
    for counted, stage in STAGES:
        with state.directory.stage(counted):
            state = stage(state)
    return write_results(state)


def dry_run(recipe: Recipe, progress: Progress | None = None) -> DataSection:
    """What `run` would find before any work, and what the run will come to; nothing is written or trained.

    Raises `PrunekitError` for whatever `run` would refuse until then.
    """
    recipe = resolve(recipe.model_dump(exclude_unset=True))
    RunDirectory(recipe).check()
    with tempfile.TemporaryDirectory() as folder:
        scratch = RunDirectory(recipe.model_copy(update={"output": folder}))
        state = open_run(recipe, progress, directory=scratch, sample=SAMPLE)
        with scratch.in_use():
            for stage in LOOKING:
                state = stage(state)
    assert state.found is not None
    return state.found
