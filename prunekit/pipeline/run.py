"""One run, from recipe to report."""

from prunekit._support.processes import refuse_several_processes
from prunekit._support.progress import Progress
from prunekit.loading.resolve import resolve
from prunekit.pipeline.run_directory import RunDirectory
from prunekit.pipeline.stages import STAGES, write_results
from prunekit.pipeline.state import RunState, open_run
from prunekit.recipe import Recipe
from prunekit.report.report import Report


def run(recipe: Recipe, progress: Progress | None = None) -> Report:
    """Prune as `recipe` says and write the result into its output directory.

    Leaves ``recipe.yaml``, ``plan.json``, ``model/``, ``report.json``, ``report.html``, ``predictions.jsonl`` and
    ``log.jsonl`` there. A budget stands in that recipe as the steps of recovery that it allowed for, so that repeating
    it repeats the run. Raises `PrunekitError` for anything that cannot work, before the directory is touched where that
    can be known.
    """
    refuse_several_processes()
    directory = RunDirectory(resolve(recipe.model_dump(exclude_unset=True)))
    if directory.finish():
        return Report.load(directory.path / "report.json")
    state = open_run(recipe, progress)
    with state.directory.in_use():
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
