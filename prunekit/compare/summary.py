"""What a comparison found, from the records of its finished trials."""

import json
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunekit.compare.figures import Figure, Gain, Nearest, Summary, Table, TableRow
from prunekit.compare.files import TrialFiles
from prunekit.compare.grid import ordered_trials
from prunekit.compare.records import Record
from prunekit.compare.spec import DENSE, Comparison
from prunekit.compare.speeds import Speeds
from prunekit.compare.trial import Trial, budget_label
from prunekit.data.metrics.metric import SummedMetric
from prunekit.latency.timing import Speed
from prunekit.loading.metrics import open_metric
from prunekit.measure.bootstrap import paired_bootstrap
from prunekit.recipe import BudgetSection, Workload
from prunekit.report.report import Report


@dataclass(frozen=True)
class FinishedTrial:
    """A finished trial with its report, the speeds of its shape and its score's parts [test rows, parts]."""

    trial: Trial
    report: Report
    speeds: Sequence[Speed]
    parts: Any

    @classmethod
    def of(cls, trial: Trial, record: Record, speeds: Sequence[Speed]) -> "FinishedTrial":
        """A trial with the figures of its record."""
        assert record.report.quality is not None
        parts = None if record.scores is None else np.array(record.scores, dtype=float)
        return cls(trial, record.report, speeds, parts)


def summarise(comparison: Comparison, command: str, records: Mapping[Trial, Record], speeds: Speeds) -> Summary:
    """The figures of the trials that have records, at least one, with the speeds of their shapes."""
    trials = ordered_trials(comparison)
    finished = [FinishedTrial.of(trial, record, speeds.of[record.shape]) for trial, record in records.items()]
    report = finished[0].report
    assert report.quality is not None
    environments = {json.dumps(one.report.environment, sort_keys=True): one.report.environment for one in finished}
    tables = [_table(comparison, budget, finished) for budget in _budgets(trials)]
    return Summary(
        name=comparison.name,
        command=command,
        task=report.task,
        metric=report.quality.metric,
        higher_is_better=report.quality.higher_is_better,
        amounts=report.quality.amounts,
        examples=report.quality.examples,
        recommended=comparison.recommended,
        dense=_dense(report, [speed.workload for speed in finished[0].speeds]),
        tables=[table for table in tables if table.rows],
        environments=list(environments.values()),
        seeds=sorted({trial.seed for trial in trials}),
        timed_on=speeds.environment,
        hours={clock: sum(seconds) / 3600 for clock, seconds in sorted(_by_clock(finished).items())},
        missing=_missing(comparison, trials, records),
    )


def _missing(comparison: Comparison, trials: Iterable[Trial], records: Mapping[Trial, Record]) -> dict[str, str]:
    """The names of the trials without a record, with the reason of each."""
    return {
        trial.name: TrialFiles(comparison, trial).failure_reason() or "not run yet"
        for trial in trials
        if trial not in records
    }


def _budgets(trials: Iterable[Trial]) -> list[BudgetSection | None]:
    """The budgets there are; None only if no trial has any."""
    budgets = list(dict.fromkeys(trial.budget for trial in trials))
    return [budget for budget in budgets if budget is not None] or [None]


def _table(comparison: Comparison, budget: BudgetSection | None, finished: Sequence[FinishedTrial]) -> Table:
    """One budget's rows; runs without a budget stand in every table."""
    of: dict[str, list[FinishedTrial]] = {}
    for one in finished:
        if one.trial.budget in (budget, None):
            of.setdefault(one.trial.variant, []).append(one)
    rows = [_row(comparison, name, of[name]) for name in comparison.named if name in of]
    best = _best(rows, finished[0].report)
    return Table(
        budget=budget_label(budget),
        limits=budget or BudgetSection(),
        rows=[row.model_copy(update={"gain": _gain(of, row.variant, best)}) for row in rows],
        best_baseline=best,
        nearest=_nearest(of, comparison.recommended, rows),
    )


def _by_clock(finished: Iterable[FinishedTrial]) -> dict[str, list[float]]:
    """The seconds that the trials spent, by the clock that counted them."""
    found: dict[str, list[float]] = {}
    for one in finished:
        spent = one.report.spent
        found.setdefault("CPU" if spent.device == "cpu" else "GPU", []).append(spent.cpu_seconds)
    return found


def _best(rows: Sequence[TableRow], report: Report) -> str | None:
    """The baseline with the best mean quality."""
    sign = 1 if report.quality is not None and report.quality.higher_is_better else -1
    baselines = [row for row in rows if row.baseline]
    return max(baselines, key=lambda row: sign * row.quality.mean).variant if baselines else None


def _gain(of: Mapping[str, Sequence[FinishedTrial]], ours: str, theirs: str | None) -> Gain | None:
    """The paired bootstrap between two variants; None of one with itself, and where rows have no comparable scores."""
    if theirs is None or ours == theirs or ours not in of:
        return None
    quality = of[ours][0].report.quality
    left, right = ([one.parts for one in of[name]] for name in (ours, theirs))
    if quality is None or any(parts is None or len(parts) != len(left[0]) for parts in (*left, *right)):
        return None
    metric = open_metric(quality.metric)
    if not isinstance(metric, SummedMetric):
        return None
    return Gain(over=theirs, **dict(paired_bootstrap(metric, left, right)))


def _nearest(of: Mapping[str, Sequence[FinishedTrial]], recommended: str, rows: Sequence[TableRow]) -> list[Nearest]:
    """The baselines nearest to the recommended variant in size and in the first workload's speed."""
    ours = next((row for row in rows if row.variant == recommended), None)
    baselines = [row for row in rows if row.baseline and row.variant != recommended]
    if ours is None or not baselines:
        return []
    measures: dict[str, Callable[[TableRow], float]] = {"non-embedding parameters": lambda row: row.non_embedding}
    if all(row.speeds for row in (ours, *baselines)):
        measures["speed-up"] = lambda row: row.speeds[0].speedup
    nearest = []
    for by, measure in measures.items():
        own = measure(ours)
        row = min(baselines, key=lambda row: abs(math.log(measure(row) / own)))
        gain = _gain(of, recommended, row.variant)
        nearest.append(Nearest(by=by, baseline=row.variant, ours=own, theirs=measure(row), gain=gain))
    return nearest


def _row(comparison: Comparison, variant: str, finished: Sequence[FinishedTrial]) -> TableRow:
    reports = [one.report for one in finished]
    qualities = [report.quality for report in reports if report.quality is not None]
    retained = [quality.retained for quality in qualities if quality.retained is not None]
    losses = [quality.loss.pruned for quality in qualities if quality.loss is not None]
    seeds = [one.trial.seed for one in finished]
    return TableRow(
        variant=variant,
        baseline=variant in comparison.baselines,
        seeds=seeds,
        missing=[seed for seed in comparison.seeds_of(variant) if seed not in seeds],
        quality=Figure.of([quality.pruned for quality in qualities]),
        others={name: Figure.of([q.others[name].pruned for q in qualities]) for name in qualities[0].others},
        loss=Figure.of(losses) if len(losses) == len(qualities) else None,
        retained=statistics.fmean(retained) if retained else None,
        speeds=_speeds(finished),
        parameters=round(statistics.median(report.parameters.pruned for report in reports)),
        non_embedding=round(statistics.median(_non_embedding(report.parameters.by_part) for report in reports)),
        sparsity=statistics.median(report.sparsity.non_embedding for report in reports),
        examples=statistics.fmean(report.spent.examples for report in reports),
        seconds={clock: statistics.fmean(spent) for clock, spent in sorted(_by_clock(finished).items())},
    )


def _non_embedding(by_part: Mapping[str, int]) -> int:
    """Both stacks, as the sparsity of that name counts."""
    return by_part["encoder"] + by_part["decoder"]


def _speeds(finished: Sequence[FinishedTrial]) -> list[Speed]:
    """Medians over seeds."""
    return [
        Speed(
            workload=same[0].workload,
            speedup=statistics.median(speed.speedup for speed in same),
            wall_speedup=statistics.median(speed.wall_speedup for speed in same),
            error=_median(speed.error for speed in same),
        )
        for same in zip(*(one.speeds for one in finished), strict=True)
    ]


def _median(errors: Iterable[float | None]) -> float | None:
    """Their median; None where none is known."""
    known = [error for error in errors if error is not None]
    return statistics.median(known) if known else None


def _dense(report: Report, workloads: Iterable[Workload]) -> TableRow:
    """The dense model itself, of which every report has the figures."""
    quality = report.quality
    assert quality is not None
    return TableRow(
        variant=DENSE,
        baseline=False,
        seeds=[],
        missing=[],
        quality=Figure.of([quality.dense]),
        others={name: Figure.of([pair.dense]) for name, pair in quality.others.items()},
        loss=None if quality.loss is None else Figure.of([quality.loss.dense]),
        retained=1.0,
        speeds=[Speed(workload=workload, speedup=1.0, wall_speedup=1.0) for workload in workloads],
        parameters=report.parameters.dense,
        non_embedding=_non_embedding(report.parameters.dense_by_part),
        sparsity=0.0,
        examples=0,
        seconds={},
    )
