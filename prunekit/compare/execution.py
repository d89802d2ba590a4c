"""Runs the cells of a comparison: those that are not done, one after the other or several at a time."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from pydantic import ValidationError

from prunekit._support.atomic import write_text
from prunekit._support.progress import Progress, counting
from prunekit.compare.records import Sources, read_record, same_recipe, sources_of, write_record
from prunekit.compare.spec import ANSWERS, DENSE, UNCUT, Comparison, Trial, sidecar_path, trial_directory, trial_recipe
from prunekit.errors import PrunekitError, error_line, one_line
from prunekit.find.plan import PruningPlan
from prunekit.loading.context import open_run_context
from prunekit.loading.resolve import resolve
from prunekit.measure.predictions import Predictions
from prunekit.pipeline.evaluation import first_rows, quality_of
from prunekit.pipeline.run import run
from prunekit.recipe import Recipe, over

log = logging.getLogger(__name__)


def run_trials(comparison: Comparison, cells: Sequence[Trial], jobs: int = 1, progress: Progress | None = None) -> None:
    """Make every one of these cells that is not done; `failed_trials` tells of those that could not be.

    With several `jobs` each cell is a process of its own, on one thread.
    """
    left = [cell for cell in cells if not is_finished(comparison, cell) and not _ended(comparison, cell)]
    if not left:
        return
    _prepare(comparison, progress)
    log.info("%d of %d runs are to be made.", len(left), len(cells))
    if jobs == 1:
        for cell in left:
            _attempt(comparison, cell, lambda recipe: run(recipe, progress))
    else:
        _side_by_side(comparison, left, jobs)


def is_finished(comparison: Comparison, cell: Trial) -> bool:
    """Whether there is a record of a cell, by the recipe that it has now."""
    return read_record(comparison, cell) is not None


def _ended(comparison: Comparison, cell: Trial) -> bool:
    """Whether a cell's run ended without a record being kept; if so, it is kept now."""
    place = trial_directory(comparison, cell)
    ended = (place / "report.json").exists() and not (place / "work").exists() and _begun(comparison, cell)
    if ended:
        _watched(comparison, cell, lambda: _finish(comparison, cell))
    return ended


def failure_of(comparison: Comparison, cell: Trial) -> str | None:
    """Why the cell could not be made when it was last tried."""
    path = sidecar_path(comparison, cell, "failed")
    return path.read_text(encoding="utf-8").strip() if path.exists() else None


def failed_trials(comparison: Comparison, cells: Sequence[Trial]) -> dict[str, str]:
    """Those of the cells that could not be made, with what went wrong."""
    return {
        cell.name: why for cell in cells if not is_finished(comparison, cell) and (why := failure_of(comparison, cell))
    }


def _begun(comparison: Comparison, cell: Trial) -> bool:
    """Whether the cell's directory is of the recipe and the sources that it has now."""
    return _asked_alike(comparison, cell) and _from_alike(comparison, cell)


def _asked_alike(comparison: Comparison, cell: Trial) -> bool:
    path = sidecar_path(comparison, cell, "yaml")
    try:
        return path.exists() and same_recipe(Recipe.load(path), trial_recipe(comparison, cell))
    except PrunekitError:  # of another version of prunekit
        return False


def _from_alike(comparison: Comparison, cell: Trial) -> bool:
    path = sidecar_path(comparison, cell, "sources.json")
    try:
        noted = Sources.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else Sources()
        return noted.agrees(sources_of(comparison, cell))
    except (ValidationError, PrunekitError):
        return False


def _prepare(comparison: Comparison, progress: Progress | None) -> None:
    """The plan of the control, and the dense model's answers where all cells share that model."""
    write_text(comparison.directory / UNCUT, PruningPlan().to_json())
    recipe = resolve(over(comparison.base, {"output": comparison.output}))
    if recipe.teacher.steps:
        return
    measured = recipe.model_dump(include={"model", "adapter", "task", "generation", "dtype", "device", "measure"})
    measured |= Sources.of(recipe, None).model_dump()
    asked, answers = json.dumps(measured, sort_keys=True), comparison.directory / ANSWERS
    note = answers.with_suffix(".asked.json")
    if answers.exists() and note.exists() and note.read_text(encoding="utf-8") == asked:
        return
    context = open_run_context(recipe)
    rows = first_rows(context.task.test, recipe.measure.eval_examples)

    tell = counting(progress, f"test, {DENSE}")
    Predictions.of(rows, quality_of(context, rows, recipe.measure.batch, tell).predictions).write(answers)
    write_text(note, asked)


def _attempt(comparison: Comparison, cell: Trial, make: Callable[[Recipe], object]) -> None:
    """Make one cell, unless the one whose shape it takes came to the shape that it was made in."""
    if is_finished(comparison, cell):
        return
    log.info("%s ...", cell.name)

    def work() -> None:
        make(_begin(comparison, cell))
        _finish(comparison, cell)

    _watched(comparison, cell, work)


def _watched(comparison: Comparison, cell: Trial, work: Callable[[], None]) -> None:
    """Do something for one cell; what goes wrong becomes its sentence, and the others go on."""
    try:
        work()
    except Exception as error:  # whatever happens to one run must not take the others with it
        text = one_line(error) if isinstance(error, PrunekitError) else error_line(error)
        write_text(sidecar_path(comparison, cell, "failed"), f"{text}\n")
        log.error("%s failed: %s", cell.name, text)


def _begin(comparison: Comparison, cell: Trial) -> Recipe:
    """Write down what is asked of the cell; raises `PrunekitError` where it was made or begun from something else."""
    sidecar_path(comparison, cell, "failed").unlink(missing_ok=True)
    if (needed := comparison.needed(cell)) is not None:
        if (other := read_record(comparison, needed)) is None:
            raise PrunekitError(
                f"{cell.name} needs the shape of {needed.name}, which is not there yet; make that first."
            )
        write_text(sidecar_path(comparison, needed, "plan.json"), other.shape)
    recipe, place, asked = (
        trial_recipe(comparison, cell),
        trial_directory(comparison, cell),
        sidecar_path(comparison, cell, "yaml"),
    )
    if place.exists() and not _begun(comparison, cell):
        unlike = "from another model, plan or data" if _asked_alike(comparison, cell) else "by another recipe"
        raise PrunekitError(f"{str(place)!r} was made {unlike}; remove it to make it anew, or choose another output.")
    if not place.exists():
        write_text(asked, recipe.dump())
        write_text(
            sidecar_path(comparison, cell, "sources.json"), sources_of(comparison, cell).model_dump_json() + "\n"
        )
    return Recipe.load(asked)


def _finish(comparison: Comparison, cell: Trial) -> None:
    write_record(comparison, cell)
    if not comparison.keep_models:
        shutil.rmtree(trial_directory(comparison, cell) / "model", ignore_errors=True)


def _side_by_side(comparison: Comparison, cells: Sequence[Trial], jobs: int) -> None:
    """Several cells at a time; one that needs another's shape waits for it, which stands before it in the queue."""
    begun: dict[Trial, Future[None]] = {}

    def attempt(cell: Trial) -> None:
        needed = comparison.needed(cell)
        if needed in begun:
            begun[needed].result()
        _attempt(comparison, cell, lambda _: _in_a_process(comparison, cell))

    pool = ThreadPoolExecutor(jobs)
    try:
        for cell in cells:
            begun[cell] = pool.submit(attempt, cell)
        for future in begun.values():
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _in_a_process(comparison: Comparison, cell: Trial) -> None:
    """``prunekit run`` on the cell's recipe, on one thread; its output goes to a log beside the cell."""
    words = [sys.executable, "-m", "prunekit", "run", str(sidecar_path(comparison, cell, "yaml"))]
    single = {**os.environ, "OMP_NUM_THREADS": "1"}
    noted = sidecar_path(comparison, cell, "log")
    with noted.open("w", encoding="utf-8") as file:
        code = subprocess.run(words, env=single, stdout=file, stderr=subprocess.STDOUT).returncode
    if code:
        lines = [line for line in noted.read_text(encoding="utf-8").splitlines() if line.startswith("error: ")]
        raise PrunekitError(lines[-1].removeprefix("error: ") if lines else f"the process ended with code {code}.")
