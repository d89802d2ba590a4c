"""Runs the trials of a comparison that are not finished yet, one after the other or several at a time."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from datasets import Dataset
from pydantic import ValidationError

from prunekit._support.atomic import write_text
from prunekit._support.progress import Progress, counting
from prunekit.compare.files import TrialFiles, dense_answers_path, uncut_plan_path
from prunekit.compare.grid import shape_source
from prunekit.compare.precision import in_shared_precision
from prunekit.compare.recipes import base_recipe, trial_recipe
from prunekit.compare.records import read_record, same_recipe, sources_of, write_record
from prunekit.compare.sources import Sources
from prunekit.compare.spec import DENSE, Comparison
from prunekit.compare.trial import Trial
from prunekit.errors import PrunekitError, error_line, one_line
from prunekit.find.plan import PruningPlan
from prunekit.loading.context import RunContext, open_run_context
from prunekit.measure.predictions import Predictions
from prunekit.pipeline.evaluation import quality_of, take_first
from prunekit.pipeline.preflight import look
from prunekit.pipeline.run import run
from prunekit.recipe import Recipe

log = logging.getLogger(__name__)


def run_trials(
    comparison: Comparison, trials: Sequence[Trial], jobs: int = 1, progress: Progress | None = None
) -> None:
    """Run every one of these trials that is not finished; `failed_trials` names those that failed.

    With several `jobs` each trial is a process of its own, on one thread.
    """
    unfinished = [trial for trial in trials if not is_finished(comparison, trial)]
    open_trials = [trial for trial in unfinished if not _record_ended(comparison, trial)]
    if not open_trials:
        return
    _prepare(comparison, progress)
    log.info("%d of %d runs are still to be made.", len(open_trials), len(trials))
    if jobs == 1:
        for trial in open_trials:
            _attempt(comparison, trial, lambda recipe: run(recipe, progress))
    else:
        _run_in_parallel(comparison, open_trials, jobs)


def is_finished(comparison: Comparison, trial: Trial) -> bool:
    """Whether there is a record of a trial, with the recipe that it has now."""
    return read_record(comparison, trial) is not None


def failed_trials(comparison: Comparison, trials: Sequence[Trial]) -> dict[str, str]:
    """The names of those trials that failed, with the reason of each."""
    unfinished = [trial for trial in trials if not is_finished(comparison, trial)]
    reasons = {trial.name: TrialFiles(comparison, trial).failure_reason() for trial in unfinished}
    return {name: reason for name, reason in reasons.items() if reason}


def _record_ended(comparison: Comparison, trial: Trial) -> bool:
    """Whether a trial's run ended without a record; if so, the record is written now."""
    ended = TrialFiles(comparison, trial).has_ended and _begun_alike(comparison, trial)
    if ended:
        _catch_failure(comparison, trial, lambda: _finish(comparison, trial))
    return ended


def _begun_alike(comparison: Comparison, trial: Trial) -> bool:
    """Whether the trial's directory belongs to the recipe and the sources that the trial has now."""
    return _recipe_alike(comparison, trial) and _sources_alike(comparison, trial)


def _recipe_alike(comparison: Comparison, trial: Trial) -> bool:
    path = TrialFiles(comparison, trial).recipe
    try:
        return path.exists() and same_recipe(Recipe.load(path), trial_recipe(comparison, trial))
    except PrunekitError:  # of another version of prunekit
        return False


def _sources_alike(comparison: Comparison, trial: Trial) -> bool:
    path = TrialFiles(comparison, trial).sources
    try:
        noted = Sources.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else Sources()
        return noted.agrees(sources_of(comparison, trial))
    except (ValidationError, PrunekitError):
        return False


def _prepare(comparison: Comparison, progress: Progress | None) -> None:
    """Write the plan of the control and, where all trials share the dense model, that model's answers."""
    recipe = base_recipe(comparison)
    if not recipe.teacher.steps:
        _answer(comparison, recipe, progress)
    write_text(uncut_plan_path(comparison), PruningPlan().to_json())


def _answer(comparison: Comparison, recipe: Recipe, progress: Progress | None) -> None:
    """Write the dense model's answers to the test rows, unless they stand there already."""
    keys = recipe.model_dump(include={"model", "adapter", "task", "generation", "dtype", "device", "measure"})
    conditions = json.dumps(keys | dict(Sources.of(recipe, None)), sort_keys=True)
    answers = dense_answers_path(comparison)
    note = answers.with_suffix(".asked.json")
    if answers.exists() and note.exists() and note.read_text(encoding="utf-8") == conditions:
        return
    context = open_run_context(recipe)
    rows = take_first(context.task.test, recipe.measure.eval_examples)
    _look(context, rows, recipe)
    quality = quality_of(context, rows, recipe.measure.batch, counting(progress, f"test, {DENSE}"))
    Predictions.of(rows, quality.predictions).write(answers)
    write_text(note, conditions)


def _look(context: RunContext, test: Dataset, recipe: Recipe) -> None:
    """Warn once of what all trials would be warned of: rows that are cut or lost, and how the model is asked."""
    task = context.task
    encode = context.processor.encode
    dev = encode(take_first(task.dev, recipe.measure.dev_examples))
    look(context, encode(task.train), dev, None if task.test is task.dev else encode(test))


def _attempt(comparison: Comparison, trial: Trial, make: Callable[[Recipe], object]) -> None:
    """Run one trial, unless the trial whose shape it takes has come to the same shape again."""
    if is_finished(comparison, trial):
        return
    log.info("%s ...", trial.name)

    def work() -> None:
        make(_begin(comparison, trial))
        _finish(comparison, trial)

    _catch_failure(comparison, trial, work)


def _catch_failure(comparison: Comparison, trial: Trial, work: Callable[[], None]) -> None:
    """Work on one trial; a failure is written down in one sentence, and the others continue."""
    try:
        work()
    except Exception as error:  # whatever happens to one run must not take the others with it
        text = one_line(error) if isinstance(error, PrunekitError) else error_line(error)
        write_text(TrialFiles(comparison, trial).failure, text + "\n")
        log.error("%s failed: %s", trial.name, text)


def _begin(comparison: Comparison, trial: Trial) -> Recipe:
    """Write down the trial's recipe and sources; raises `PrunekitError` where its directory belongs to others."""
    files = TrialFiles(comparison, trial)
    files.failure.unlink(missing_ok=True)
    _write_shape(comparison, trial)
    if files.directory.exists() and not _begun_alike(comparison, trial):
        unlike = "from another model, plan or data" if _recipe_alike(comparison, trial) else "by another recipe"
        raise PrunekitError(
            f"{str(files.directory)!r} was made {unlike}; remove it to run it again, or choose another output."
        )
    if not files.directory.exists():
        write_text(files.recipe, in_shared_precision(comparison, trial_recipe(comparison, trial)).dump())
        write_text(files.sources, sources_of(comparison, trial).model_dump_json() + "\n")
    return Recipe.load(files.recipe)


def _write_shape(comparison: Comparison, trial: Trial) -> None:
    """Write the plan that a trial takes from another, if it does; raises `PrunekitError` where that is not finished."""
    source = shape_source(comparison, trial)
    if source is None:
        return
    record = read_record(comparison, source)
    if record is None:
        raise PrunekitError(f"{trial.name} needs the shape of {source.name}, which is not there yet; run that first.")
    write_text(TrialFiles(comparison, source).shape, record.shape)


def _finish(comparison: Comparison, trial: Trial) -> None:
    write_record(comparison, trial)
    if not comparison.keep_models:
        shutil.rmtree(TrialFiles(comparison, trial).directory / "model", ignore_errors=True)


def _run_in_parallel(comparison: Comparison, trials: Sequence[Trial], jobs: int) -> None:
    """Several trials at a time; one that needs another's shape waits for it, which stands before it in the queue."""
    begun: dict[Trial, Future[None]] = {}
    running: set[subprocess.Popen[bytes]] = set()

    def attempt(trial: Trial) -> None:
        source = shape_source(comparison, trial)
        if source in begun:
            begun[source].result()
        _attempt(comparison, trial, lambda _: _run_in_process(comparison, trial, running))

    pool = ThreadPoolExecutor(jobs)
    try:
        for trial in trials:
            begun[trial] = pool.submit(attempt, trial)
        for future in begun.values():
            future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list(running):  # only where this process was asked to stop: they save, and end
            process.terminate()
        pool.shutdown()


def _run_in_process(comparison: Comparison, trial: Trial, running: set[subprocess.Popen[bytes]]) -> None:
    """``prunekit run`` on the trial's recipe, on one thread; its output goes to a log beside the trial.

    It is in `running` meanwhile, and in a session of its own: Ctrl-C reaches it once, from here.
    """
    files = TrialFiles(comparison, trial)
    command = [sys.executable, "-m", "prunekit", "run", str(files.recipe)]
    single = {**os.environ, "OMP_NUM_THREADS": "1"}
    with files.log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, env=single, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        running.add(process)
        code = process.wait()
        running.discard(process)
    if code:
        lines = [line for line in files.log.read_text(encoding="utf-8").split("\n") if line.startswith("error: ")]
        raise PrunekitError(lines[-1].removeprefix("error: ") if lines else f"the process ended with code {code}.")
