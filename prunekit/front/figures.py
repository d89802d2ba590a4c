"""The figures of a front, as data: what `front.json` holds."""

from prunekit._support.frozen import FrozenModel
from prunekit.latency.timing import Speed
from prunekit.report.sections import QualitySection, SpentSection


class IntervalScore(FrozenModel):
    """A headline score on some rows, the share of the dense model's that it is, and 95% of its resamples.

    Example: ``score=0.651, kept=0.968, interval=(0.639, 0.662), examples=6323``. `kept` is None where the dense model
    has nothing to keep, `interval` where the metric is no sum over rows.
    """

    score: float
    kept: float | None
    interval: tuple[float, float] | None
    examples: int


class FrontModel(FrozenModel):
    """The model of one step, or the dense one: its scores on dev and test rows, its speeds, size and cost.

    `cost` is all that was spent up to it, the steps before included. `encoder_sparsity` is what was removed.
    """

    name: str
    decoder_layers: int
    encoder_sparsity: float
    dev: IntervalScore
    test: IntervalScore
    speeds: list[Speed]
    parameters: int
    cost: SpentSection = SpentSection()

    @property
    def speedup(self) -> float:
        """On the first workload."""
        return self.speeds[0].speedup


class Selection(FrozenModel):
    """The model to take: the fastest that keeps a share, or the best that is so fast; `met` says whether it is.

    Where none is, it is the one that comes nearest. Example: ``model="decoder-3", met=True, keep=0.98``.
    """

    model: str
    met: bool
    keep: float | None = None
    speedup: float | None = None


class Front(FrozenModel):
    """Quality over speed: the dense model, and the model of every step from the largest to the smallest.

    `confirmed` says that test rows are others than the dev rows by which a model is selected; `amount` that the metric
    is no fraction.
    """

    adapter: str
    strategy: str
    task: str | None
    seed: int
    metric: str
    higher_is_better: bool
    amount: bool
    confirmed: bool
    dense: FrontModel
    models: list[FrontModel]
    environment: dict[str, str | int]
    selection: Selection | None = None

    @property
    def selected(self) -> FrontModel | None:
        """The model that the selection names."""
        named = (model for model in self.models if self.selection and model.name == self.selection.model)
        return next(named, None)


def share_kept(
    retained: float | None, amount: bool, higher_is_better: bool, dense: float, pruned: float
) -> float | None:
    """The share of the dense model's quality that is kept: `retained`, or of an amount the ratio, better if higher."""
    if not amount:
        return retained
    ours, theirs = (pruned, dense) if higher_is_better else (dense, pruned)
    return ours / theirs if theirs else None


def reported_score(quality: QualitySection, of: str) -> IntervalScore:
    """What a report says of its test rows, of the model that is called ``dense`` or ``pruned``."""
    amount = quality.metric in quality.amounts
    kept = share_kept(quality.retained, amount, quality.higher_is_better, quality.dense, quality.pruned)
    return IntervalScore(
        score=getattr(quality, of),
        kept=1.0 if of == "dense" else kept,
        interval=None if quality.intervals is None else getattr(quality.intervals, of),
        examples=quality.examples,
    )
