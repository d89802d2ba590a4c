"""Many runs side by side, from one recipe: strategies, seeds and budgets, with the controls that keep them honest."""

from collections.abc import Sequence

from prunekit.compare.cells import Comparison
from prunekit.compare.figures import Summary
from prunekit.compare.page import write
from prunekit.compare.running import done, run_cells
from prunekit.compare.speeds import timed_together
from prunekit.compare.summary import summarise
from prunekit.line import Progress

__all__ = ["Comparison", "Summary", "compare"]


def compare(
    comparison: Comparison,
    command: str = "prunekit compare",
    variants: Sequence[str] = (),
    jobs: int = 1,
    progress: Progress | None = None,
) -> Summary | None:
    """Make the runs that are not done yet and write down what all of them came to; None where none is done.

    Leaves ``comparison.json``, ``results.md`` and ``comparison.html`` in the output directory, beside ``cells/`` and
    ``speeds.json``, which holds the speeds of all shapes, timed together. A run that fails is named in the summary's
    `missing`, and the others go on; the same call tries it again. Only the runs of `variants` are made where some are
    named, and as many at a time as there are `jobs`; `command` stands beside the figures.
    """
    run_cells(comparison, comparison.chosen(variants), jobs, progress)
    finished = [cell for cell in comparison.cells() if done(comparison, cell)]
    speeds = timed_together(comparison, finished, progress) if finished else {}
    summary = summarise(comparison, command, speeds)
    if summary is not None:
        write(summary, comparison.directory)
    return summary
