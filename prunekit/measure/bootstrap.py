"""Is one model really better than another on the same test rows? The paired bootstrap, over one or more seeds each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunekit.data.metrics import Metric

RESAMPLES = 1000
CHUNK = 100
"""Resamples held in memory at a time, as one count per test row each."""


@dataclass(frozen=True)
class Difference:
    """How much better one side is, positive where it is better whichever way the metric points.

    `low` and `high` bound 95% of the resamples; `p` is two-sided. Example: ``Difference(0.012, 0.004, 0.020, 0.002)``
    of a word accuracy is 1.2 points better. Test rows were drawn again, seeds were not: their spread stands beside it.
    """

    gain: float
    low: float
    high: float
    p: float


def compared(
    metric: Metric, ours: Sequence[Any], theirs: Sequence[Any], resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """The paired bootstrap (Efron and Tibshirani 1993; Koehn 2004) between the mean scores of two sides.

    `ours` and `theirs` hold one array of the metric's parts [rows, parts] per seed, over the same test rows. In every
    resample the same rows are drawn for all of them.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    rows = len(ours[0])

    def gains(weights: Any) -> Any:
        return sign * (_score(metric, ours, weights) - _score(metric, theirs, weights))

    generator = np.random.default_rng(seed)
    drawn = []
    for start in range(0, resamples, CHUNK):
        several = min(CHUNK, resamples - start)
        drawn.append(gains(generator.multinomial(rows, np.full(rows, 1 / rows), size=several).astype(float)))
    found = np.concatenate(drawn)
    low, high = np.quantile(found, (0.025, 0.975))
    tail = min(int((found <= 0).sum()), int((found >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (resamples + 1))
    return Difference(float(gains(np.ones((1, rows)))[0]), float(low), float(high), p)


def _score(metric: Metric, sides: Sequence[Any], weights: Any) -> Any:
    """The mean over seeds of the score of weighted rows: weights [draws, rows] to scores [draws]."""
    scores = [[metric.figure(list(totals)) for totals in weights @ parts] for parts in sides]
    return np.mean(np.array(scores), axis=0)
