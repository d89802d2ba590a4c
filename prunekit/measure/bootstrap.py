"""What other test rows and seeds might have shown: the bootstrap of a score, and of the difference of two sides."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from prunekit._support.frozen import FrozenModel
from prunekit.data.metrics.metric import SummedMetric

RESAMPLES = 1000
CHUNK = 100
"""Resamples held in memory at a time, as one count per test row each."""


class Difference(FrozenModel):
    """How much better one side is; positive means better, whichever way the metric points.

    `low` and `high` bound 95% of the resamples; `p` is two-sided. Example: ``gain=0.012, low=0.004, high=0.020,
    p=0.002`` of a word accuracy is 1.2 points better.
    """

    gain: float
    low: float
    high: float
    p: float


def paired_bootstrap(
    metric: SummedMetric, ours: Sequence[Any], theirs: Sequence[Any], resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """The paired bootstrap (Efron and Tibshirani 1993; Koehn 2004) between the mean scores of two sides.

    `ours` and `theirs` hold one array of the metric's parts [rows, parts] per seed, over the same test rows. In every
    resample the same rows are drawn for all of them, and each side's seeds are drawn anew, so that a difference that
    depends on a lucky seed does not look certain. The luck of a single seed cannot be known, and is not included.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    sizes = (len(ours[0]), len(ours), len(theirs))

    def gains(rows: Any, left: Any, right: Any) -> Any:
        return sign * (_score(metric, ours, rows, left) - _score(metric, theirs, rows, right))

    def drawn(generator: np.random.Generator, times: int) -> Any:
        return gains(*(_counts(generator, size, times) for size in sizes))

    found = _resampled(drawn, resamples, seed)
    low, high = np.quantile(found, (0.025, 0.975))
    tail = min(int((found <= 0).sum()), int((found >= 0).sum()))
    gain = gains(*(np.ones((1, size)) for size in sizes))[0]
    p = min(1.0, 2 * (tail + 1) / (resamples + 1))
    return Difference(gain=float(gain), low=float(low), high=float(high), p=p)


def bootstrap_interval(
    metric: SummedMetric, parts: Any, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """The bounds of 95% of the scores of rows drawn again, from one side's parts [rows, parts]."""

    def drawn(generator: np.random.Generator, times: int) -> Any:
        return _score(metric, [parts], _counts(generator, len(parts), times), np.ones((times, 1)))

    low, high = np.quantile(_resampled(drawn, resamples, seed), (0.025, 0.975))
    return float(low), float(high)


def _resampled(drawn: Callable[[np.random.Generator, int], Any], resamples: int, seed: int) -> Any:
    """Figures [resamples], from what is drawn a chunk of times."""
    generator = np.random.default_rng(seed)
    chunks = (min(CHUNK, resamples - start) for start in range(0, resamples, CHUNK))
    return np.concatenate([drawn(generator, times) for times in chunks])


def _counts(generator: np.random.Generator, size: int, times: int) -> Any:
    """How often each of `size` things is among as many draws of them, [times, size]."""
    return generator.multinomial(size, np.full(size, 1 / size), size=times).astype(float)


def _score(metric: SummedMetric, sides: Sequence[Any], rows: Any, seeds: Any) -> Any:
    """The mean over seeds of the score of weighted rows: weights [draws, rows] and [draws, seeds] to scores [draws]."""
    scores = [[metric.figure(list(totals)) for totals in rows @ parts] for parts in sides]
    return np.average(np.array(scores), axis=0, weights=seeds.T)
