"""The tables of a comparison: column names and cells, the same in the terminal, in Markdown and on the page."""

from collections.abc import Iterator

from prunekit.compare.figures import Figure, Gain, Summary, Table, TableRow
from prunekit.compare.spec import DENSE_CONTINUED
from prunekit.recipe import Workload
from prunekit.report.formatting import count, factor, figure, percent


def column_names(summary: Summary, table: Table) -> list[str]:
    """The names of a table's columns."""
    speeds = [f"speed, {workload_label(speed.workload)}" for speed in summary.dense.speeds]
    gain = [f"gain over {table.best_baseline}"] if table.best_baseline else []
    clocks = _clocks(table)
    return [
        "variant",
        summary.metric,
        *summary.dense.others,
        *(["loss per token"] if _have_losses(summary) else []),
        "kept" if summary.higher_is_better else "errors",
        *([f"of {DENSE_CONTINUED}"] if _control(table) else []),
        *speeds,
        "non-embedding parameters",
        "sparsity",
        f"{clocks[0]}-seconds" if len(clocks) == 1 else "seconds",
        "examples",
        *gain,
    ]


def table_cells(summary: Summary, table: Table) -> Iterator[list[str]]:
    """The cells of a table, row by row, the dense model first."""
    control = _control(table)
    amount = summary.metric in summary.amounts
    for row in (summary.dense, *table.rows):
        yield [
            variant_name(row),
            mean_and_spread(row.quality, amount),
            *(mean_and_spread(row.others[name], name in summary.amounts) for name in summary.dense.others),
            *([loss_text(row.loss)] if row.loss is not None and _have_losses(summary) else []),
            _kept(row, summary),
            *([_share(row, control, summary)] if control else []),
            *(factor(speed.speedup, speed.error) for speed in row.speeds),
            count(row.non_embedding),
            percent(row.sparsity),
            _seconds(row, table),
            count(round(row.examples)),
            *_gain(row, table, amount),
        ]


def _control(table: Table) -> TableRow | None:
    """The dense model trained at the same budget, if that was run."""
    return next((row for row in table.rows if row.variant == DENSE_CONTINUED), None)


def _have_losses(summary: Summary) -> bool:
    """Whether every row has a loss."""
    rows = (summary.dense, *(row for table in summary.tables for row in table.rows))
    return all(row.loss is not None for row in rows)


def _kept(row: TableRow, summary: Summary) -> str:
    """The share of the dense model's quality; of an error rate, how many times its errors."""
    if summary.higher_is_better:
        return "" if row.retained is None else percent(row.retained)
    return _share(row, summary.dense, summary)


def _share(row: TableRow, other: TableRow, summary: Summary) -> str:
    """A row's score as a percentage of another's, an error rate as a multiple; empty where the other is 0."""
    whole = other.quality.mean
    if whole == 0:
        return ""
    return percent(row.quality.mean / whole) if summary.higher_is_better else factor(row.quality.mean / whole)


def _clocks(table: Table) -> list[str]:
    """The clocks that counted the rows' seconds."""
    return sorted({clock for row in table.rows for clock in row.seconds})


def _seconds(row: TableRow, table: Table) -> str:
    """``598``, or ``1,095 CPU, 231 GPU`` in a table whose runs were counted by both."""
    if len(_clocks(table)) == 1 or not row.seconds:
        return count(round(sum(row.seconds.values())))
    return ", ".join(f"{count(round(spent))} {clock}" for clock, spent in row.seconds.items())


def variant_name(row: TableRow) -> str:
    """A variant's name with what limits it. Example: ``depth (baseline, 2 of 3 seeds)``."""
    notes = ["baseline"] if row.baseline else []
    notes += [f"{len(row.seeds)} of {len(row.seeds) + len(row.missing)} seeds"] if row.missing else []
    notes += ["1 seed"] if len(row.seeds) == 1 and not row.missing else []
    return f"{row.variant} ({', '.join(notes)})" if notes else row.variant


def _gain(row: TableRow, table: Table, amount: bool) -> list[str]:
    """The cell of the gain, if the table has one."""
    if table.best_baseline is None:
        return []
    if row.variant == table.best_baseline:
        return ["best baseline"]
    return [gain_text(row.gain, amount) if row.gain else ""]


def mean_and_spread(score: Figure, amount: bool = False) -> str:
    """``61.77% ± 0.31`` over seeds, or an amount as ``12.40 ± 0.31``."""
    scale = 1 if amount else 100
    deviation = "" if score.deviation is None else f" ± {scale * score.deviation:.2f}"
    return figure(score.mean, amount) + deviation


def loss_text(loss: Figure) -> str:
    """``0.182 ± 0.001`` over seeds, in nats."""
    return f"{loss.mean:.3f}" + ("" if loss.deviation is None else f" ± {loss.deviation:.3f}")


def gain_text(gain: Gain, amount: bool = False) -> str:
    """``+1.20 [+0.40, +2.00]`` in percentage points, or as an amount."""
    scale = 1 if amount else 100
    return f"{scale * gain.gain:+.2f} [{scale * gain.low:+.2f}, {scale * gain.high:+.2f}]"


def workload_label(workload: Workload) -> str:
    """``batch 1``, with beams where there are several."""
    return f"batch {workload.batch}" + (f", {workload.beams} beams" if workload.beams > 1 else "")
