"""Many runs side by side, from one recipe: strategies, seeds and budgets, with the controls that keep them honest."""

from collections.abc import Sequence

from prunekit._support.progress import Progress
from prunekit.compare.execution import run_trials
from prunekit.compare.figures import Summary
from prunekit.compare.html import write_comparison
from prunekit.compare.records import read_record
from prunekit.compare.spec import Comparison, Trial
from prunekit.compare.speeds import timed_together
from prunekit.compare.summary import summarise

__all__ = ["Comparison", "Summary", "compare"]


def compare(
    comparison: Comparison,
    command: str = "prunekit compare",
    cells: Sequence[Trial] | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Summary | None:
    """Make the runs that are not done yet and write down what all of them came to; None where none is done.

    Leaves ``comparison.json``, ``results.md`` and ``comparison.html`` in the output directory, beside ``cells/``, and
    in the directory of records one file for every run and ``speeds.json``, the speeds of all shapes, timed together:
    with those the tables can be written again, and the comparison gone on with, on another machine.

    A run that fails is named in the summary's `missing`, and the others go on; the same call tries it again. Only
    `cells` are made where they are given, and as many at a time as there are `jobs`; `command` stands beside the
    figures.
    """
    run_trials(comparison, comparison.cells() if cells is None else cells, jobs, progress)
    found = {cell: record for cell in comparison.cells() if (record := read_record(comparison, cell)) is not None}
    if not found:
        return None
    speeds = timed_together(comparison, [record.shape for record in found.values()], progress)
    summary = summarise(comparison, command, found, speeds)
    write_comparison(summary, comparison.directory)
    return summary
