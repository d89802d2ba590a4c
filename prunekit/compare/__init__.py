"""Many runs side by side, from one recipe: strategies, seeds and budgets, with the controls that keep them honest."""

from collections.abc import Sequence

from prunekit._support.progress import Progress
from prunekit.compare.execution import run_trials
from prunekit.compare.figures import Summary
from prunekit.compare.grid import ordered_trials
from prunekit.compare.output import write_comparison
from prunekit.compare.records import read_record
from prunekit.compare.spec import Comparison
from prunekit.compare.speeds import time_together
from prunekit.compare.summary import summarise
from prunekit.compare.trial import Trial

__all__ = ["Comparison", "Summary", "compare"]


def compare(
    comparison: Comparison,
    command: str = "prunekit compare",
    trials: Sequence[Trial] | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Summary | None:
    """Run the trials that are not finished, and write down the results of all that are; None where none is.

    Leaves ``comparison.json``, ``results.md`` and ``comparison.html`` in the output directory, beside ``trials/``. The
    directory of records gets one file for every run and ``speeds.json``, the speeds of all shapes, timed together:
    with those the tables can be written again, and the comparison continued, on another machine.

    A run that fails is named in the summary's `missing`, and the others continue; the same call tries it again. Only
    `trials` are run where they are given, and as many at a time as there are `jobs`; `command` stands beside the
    figures.
    """
    known = ordered_trials(comparison)
    run_trials(comparison, known if trials is None else trials, jobs, progress)
    records = {trial: read_record(comparison, trial) for trial in known}
    finished = {trial: record for trial, record in records.items() if record is not None}
    if not finished:
        return None
    speeds = time_together(comparison, [record.shape for record in finished.values()], progress)
    summary = summarise(comparison, command, finished, speeds)
    write_comparison(summary, comparison.directory)
    return summary
