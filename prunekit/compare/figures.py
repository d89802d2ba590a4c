"""The figures of a comparison, as data: what each is called and what it counts."""

import statistics
from collections.abc import Sequence

from prunekit._support.frozen import FrozenModel
from prunekit.latency.timing import Speed
from prunekit.measure.bootstrap import Difference
from prunekit.recipe import BudgetSection


class Figure(FrozenModel):
    """A figure over seeds: its mean, and the sample standard deviation where there is more than one seed."""

    mean: float
    deviation: float | None
    values: list[float]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """The figure behind these values."""
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return cls(mean=statistics.fmean(values), deviation=deviation, values=list(values))


class Gain(Difference):
    """How much better a variant scores than the variant `over`."""

    over: str


class TableRow(FrozenModel):
    """A variant at one budget. `missing` are the seeds without a run; counts are medians, spending is a mean.

    `loss` is the cross-entropy per target token in nats; None in rows from before it was kept.
    """

    variant: str
    baseline: bool
    seeds: list[int]
    missing: list[int]
    quality: Figure
    others: dict[str, Figure]
    retained: float | None
    speeds: list[Speed]
    parameters: int
    non_embedding: int
    sparsity: float
    examples: float
    seconds: dict[str, float]
    loss: Figure | None = None
    gain: Gain | None = None


class Nearest(FrozenModel):
    """The baseline that is nearest to the recommended variant in one respect. Example: 1.24M parameters to 1.25M."""

    by: str
    baseline: str
    ours: float
    theirs: float
    gain: Gain | None


class Table(FrozenModel):
    """All variants at one budget; `budget` is ``600cpu``, or ``asis`` for runs without one."""

    budget: str
    limits: BudgetSection
    rows: list[TableRow]
    best_baseline: str | None
    nearest: list[Nearest]


class Summary(FrozenModel):
    """A whole comparison, as far as it is finished.

    `hours` are spent in learning and recovery of all its runs, by clock. Example: ``{"CPU": 8.1, "GPU": 0.6}``.
    `environments` are those of the runs, `timed_on` is that of the speeds. `amounts` names metrics that are no
    fractions.
    """

    name: str
    command: str
    task: str | None
    metric: str
    higher_is_better: bool
    amounts: tuple[str, ...] = ()
    examples: int
    recommended: str
    dense: TableRow
    tables: list[Table]
    environments: list[dict[str, str | int]]
    seeds: list[int]
    timed_on: dict[str, str | int]
    hours: dict[str, float]
    missing: dict[str, str]
