"""What is measured of a front beside its runs: the dense model once, every saved model on dev, all speeds together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from datasets import Dataset

from prunekit._support.progress import Progress, StageProgress, counting
from prunekit.compare.speeds import time_shapes
from prunekit.data.metrics.metric import SummedMetric, retained
from prunekit.front.figures import IntervalScore, share_kept
from prunekit.front.front_directory import FrontDirectory
from prunekit.latency.timing import Speed
from prunekit.loading.context import RunContext
from prunekit.measure.bootstrap import bootstrap_interval
from prunekit.measure.environment import environment
from prunekit.measure.predictions import Predictions, answer_languages
from prunekit.measure.quality import Quality
from prunekit.pipeline.evaluation import quality_of, take_first
from prunekit.pipeline.pruned_context import context_after
from prunekit.pipeline.start import Start
from prunekit.recipe import MeasureSection, Recipe


def measure_dense(recipe: Recipe, context: RunContext, directory: FrontDirectory, progress: Progress | None) -> Any:
    """The dense model's score on dev, with its answers to the test rows in a file that all runs read."""
    task = context.task
    measure = recipe.measure
    if measure.dense_predictions is None:
        rows = take_first(task.test, measure.eval_examples)
        answers = quality_of(context, rows, measure.batch, counting(progress, "test, dense"))
        Predictions.of(rows, answers.predictions).write(directory.dense_answers)
    score = dev_score_of(context, measure, None, counting(progress, "dev, dense"))
    return {"dev": score.model_dump(), "confirmed": task.test is not task.dev}


def dev_score_of(
    context: RunContext, measure: MeasureSection, whole: float | None, progress: StageProgress | None
) -> IntervalScore:
    """A model's headline score on the dev rows, as a share of the dense model's, or of itself where that is None."""
    rows = take_first(context.task.dev, measure.eval_examples)
    metric = context.task.metrics[0]
    quality = quality_of(context, rows, measure.batch, progress)
    score = quality.scores[metric.name]
    dense = score if whole is None else whole
    kept = share_kept(
        retained(metric, dense, score), not metric.fraction, metric.higher_is_better, dense=dense, pruned=score
    )
    return IntervalScore(score=score, kept=kept, interval=_interval(metric, quality, rows), examples=len(rows))


def _interval(metric: Any, quality: Quality, rows: Dataset) -> tuple[float, float] | None:
    """95% of the scores of rows drawn again, where the metric is a sum over rows."""
    if not isinstance(metric, SummedMetric):
        return None
    parts = metric.row_parts(quality.predictions, rows["references"][:], answer_languages(rows))
    return bootstrap_interval(metric, np.array(parts, dtype=float))


@dataclass(frozen=True)
class Measured:
    """The dev scores and the speeds of all models of a front by name, and on what machine these were timed."""

    dev: Mapping[str, IntervalScore]
    speeds: Mapping[str, Sequence[Speed]]
    environment: dict[str, str | int]


def measure_models(
    runs: Mapping[str, Start],
    whole: float,
    directory: FrontDirectory,
    context: Callable[[], RunContext],
    progress: Progress | None,
) -> Measured:
    """Score every saved model on dev, and time all together, as the first run's recipe says; each is done once.

    `whole` is the dense model's dev score, `context` opens that model if it is needed.
    """
    recipe = Recipe.load(next(iter(runs.values())).path / "recipe.yaml")

    def dev(name: str, start: Start) -> Any:
        pruned = context_after(start, context(), recipe)
        return dev_score_of(pruned, recipe.measure, whole, counting(progress, f"dev, {name}")).model_dump()

    def speeds() -> Any:
        plans = {name: start.plan for name, start in runs.items()}
        found = time_shapes(context(), plans, recipe.measure, recipe.seed, progress)
        return {name: [speed.model_dump() for speed in each] for name, each in found.items()}

    scores = {name: directory.once(f"dev-{name}", partial(dev, name, start)) for name, start in runs.items()}
    timed = directory.once("speeds", lambda: {"environment": environment(), "speeds": speeds()})
    return Measured(
        dev={name: IntervalScore.model_validate(score) for name, score in scores.items()},
        speeds={name: [Speed.model_validate(speed) for speed in each] for name, each in timed["speeds"].items()},
        environment=timed["environment"],
    )
