"""What other test rows might have shown: the bootstrap of a score, and of the difference between two sides."""

from collections.abc import Callable, Sequence
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

    found = _resampled(gains, rows, resamples, seed)
    low, high = np.quantile(found, (0.025, 0.975))
    tail = min(int((found <= 0).sum()), int((found >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (resamples + 1))
    return Difference(float(gains(np.ones((1, rows)))[0]), float(low), float(high), p)


def interval(metric: Metric, parts: Any, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """The bounds of 95% of the scores of rows drawn again, from one side's parts [rows, parts]."""
    found = _resampled(lambda weights: _score(metric, [parts], weights), len(parts), resamples, seed)
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def _resampled(figures: Callable[[Any], Any], rows: int, resamples: int, seed: int) -> Any:
    """Figures [resamples] of how often each row was drawn, [draws, rows]."""
    generator = np.random.default_rng(seed)
    found = []
    for start in range(0, resamples, CHUNK):
        several = min(CHUNK, resamples - start)
        found.append(figures(generator.multinomial(rows, np.full(rows, 1 / rows), size=several).astype(float)))
    return np.concatenate(found)


def _score(metric: Metric, sides: Sequence[Any], weights: Any) -> Any:
    """The mean over seeds of the score of weighted rows: weights [draws, rows] to scores [draws]."""
    scores = [[metric.figure(list(totals)) for totals in weights @ parts] for parts in sides]
    return np.mean(np.array(scores), axis=0)
