"""Evaluation at the end of a run: quality and speed of both models, and the report on the whole run."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset

from prunekit._support.progress import StageProgress
from prunekit.data.encoded import EncodedDataset, collate_batches
from prunekit.data.metrics.metric import SummedMetric, retained
from prunekit.data.processors import Collator
from prunekit.data.tasks import Task
from prunekit.errors import PrunekitError
from prunekit.find.plan import PruningPlan
from prunekit.latency.timing import Timing, compare_latency
from prunekit.latency.workload import input_maker_for
from prunekit.learn.training.budget import BudgetTracker
from prunekit.learn.training.loss import mean_loss
from prunekit.loading.context import RunContext
from prunekit.measure.answers import AnswerHealth, AnswersSection
from prunekit.measure.bootstrap import bootstrap_interval
from prunekit.measure.environment import environment
from prunekit.measure.equivalence import Equivalence
from prunekit.measure.predictions import Predictions, dense_answers
from prunekit.measure.quality import Quality, evaluate_quality, score_answers
from prunekit.recipe import MeasureSection, Recipe
from prunekit.report.kept_units import KeptSection
from prunekit.report.report import Report
from prunekit.report.sections import (
    Intervals,
    LatencySection,
    LayersSection,
    ParametersSection,
    QualityPair,
    QualitySection,
    Sample,
    SecondsSection,
    SparsitySection,
    SpentSection,
    WidthsSection,
)

log = logging.getLogger(__name__)

SAMPLES = 12
"""Test rows that a report shows with both answers."""


@dataclass(frozen=True)
class Evaluation:
    """Both models on the test rows that `predictions` holds, their losses per token there, and their speed."""

    dense: Quality
    pruned: Quality
    predictions: Predictions
    losses: QualityPair
    timings: tuple[Timing, ...]


def quality_of(context: RunContext, rows: Dataset, batch: int, progress: StageProgress | None = None) -> Quality:
    """What the context's model scores on `rows` of its task, of which it answers `batch` at a time."""
    metrics = context.task.metrics
    return evaluate_quality(context.model, context.processor, rows, metrics, context.generation, batch, progress)


def dev_score(context: RunContext, measure: MeasureSection) -> float:
    """The headline metric of the context's model on the first dev rows."""
    rows = take_first(context.task.dev, measure.dev_examples)
    return quality_of(context, rows, measure.batch).scores[context.task.metrics[0].name]


def take_first(rows: Dataset, count: int | None) -> Dataset:
    """The first `count` rows, or all."""
    return rows if count is None or count >= len(rows) else rows.select(range(count))


def evaluate_run(
    dense: RunContext,
    pruned: RunContext,
    measure: MeasureSection,
    seed: int,
    listener: Callable[[str], StageProgress | None],
) -> Evaluation:
    """Quality of both models on the test rows, then their speed; `listener` gives the progress display of a stage."""
    rows = take_first(dense.task.test, measure.eval_examples)
    before = dense_quality(dense, rows, measure, listener("test, dense"))
    after = quality_of(pruned, rows, measure.batch, listener("test, pruned"))
    timings = compare_latency(
        dense.model,
        pruned.model,
        measure.workloads,
        measure.repeats,
        measure.threads,
        seed,
        listener("speed"),
        input_maker_for(dense.processor),
    )
    predictions = Predictions.of(rows, before.predictions, after.predictions)
    return Evaluation(before, after, predictions, _losses(dense, pruned, rows, measure.batch), timings)


def _losses(dense: RunContext, pruned: RunContext, rows: Dataset, batch: int) -> QualityPair:
    """The loss per target token of both models; rows are encoded once where both read them alike.

    Raises `PrunekitError` where one of them is no number.
    """
    encoded = dense.processor.encode(rows)
    fewer_tokens = encoded if pruned.processor is dense.processor else pruned.processor.encode(rows)
    found = QualityPair(dense=loss_on(dense, encoded, batch), pruned=loss_on(pruned, fewer_tokens, batch))
    if not math.isfinite(found.dense + found.pruned):
        raise PrunekitError(
            f"The loss on the test rows is {found.dense} for the dense model, {found.pruned} for the pruned one; where "
            "it is no number, a training diverged or weights are damaged: lower training.learning_rate."
        )
    return found


def loss_on(context: RunContext, rows: EncodedDataset, batch: int) -> float:
    """The loss per target token of the context's model on encoded rows, in nats."""
    model = context.model
    collate = Collator(context.processor, model)
    return mean_loss(model, collate_batches(rows, rows.by_length(), batch, collate, model))


def dense_quality(
    context: RunContext, rows: Dataset, measure: MeasureSection, progress: StageProgress | None = None
) -> Quality:
    """The dense model's quality, by its known answers where the recipe names a file of them."""
    if measure.dense_predictions is None:
        return quality_of(context, rows, measure.batch, progress)
    return score_answers(dense_answers(measure.dense_predictions, rows), rows, context.task.metrics)


def report_on(
    evaluation: Evaluation,
    context: RunContext,
    recipe: Recipe,
    plan: PruningPlan,
    equivalence: Equivalence | None,
    seconds: dict[str, float],
    ledger: BudgetTracker,
) -> Report:
    """Everything found out, as the contract asks."""
    graph = context.graph
    return Report(
        adapter=context.name,
        strategy=None if recipe.plan else recipe.strategy,
        task=context.task.name,
        seed=recipe.seed,
        environment=environment(),
        parameters=ParametersSection.of(graph, plan),
        sparsity=SparsitySection.of(graph, plan),
        layers=LayersSection.of(graph.groups, plan),
        widths=WidthsSection.of(graph.groups, plan),
        kept=KeptSection.of(graph.groups, plan),
        quality=_quality(evaluation, context.task),
        latency=_latency(evaluation.timings, context.task),
        equivalence=equivalence,
        seconds=SecondsSection(**seconds),
        spent=SpentSection(examples=ledger.examples, cpu_seconds=ledger.seconds, device=ledger.device),
        answers=answers_section(evaluation.dense, evaluation.pruned),
        samples=_samples(evaluation, context.task),
    )


def answers_section(dense: Quality, pruned: Quality) -> AnswersSection:
    """The health of both models' answers; what pruning changed much has been logged."""
    found = AnswersSection(
        dense=AnswerHealth.of(dense.predictions, dense.ended), pruned=AnswerHealth.of(pruned.predictions, pruned.ended)
    )
    for sentence in found.complaints():
        log.warning("%s", sentence)
    return found


def _quality(evaluation: Evaluation, task: Task) -> QualitySection:
    head, *rest = task.metrics
    dense = evaluation.dense.scores
    pruned = evaluation.pruned.scores
    return QualitySection(
        metric=head.name,
        higher_is_better=head.higher_is_better,
        dense=dense[head.name],
        pruned=pruned[head.name],
        retained=retained(head, dense[head.name], pruned[head.name]),
        examples=len(evaluation.dense.predictions),
        others={metric.name: QualityPair(dense=dense[metric.name], pruned=pruned[metric.name]) for metric in rest},
        intervals=_intervals(head, evaluation.predictions) if isinstance(head, SummedMetric) else None,
        amounts=tuple(metric.name for metric in task.metrics if not metric.fraction),
        loss=evaluation.losses,
    )


def _latency(timings: tuple[Timing, ...], task: Task) -> LatencySection | None:
    """Nothing where no workload was timed."""
    return LatencySection.of(timings, task.modality == "audio") if timings else None


def _intervals(metric: SummedMetric, answers: Predictions) -> Intervals:
    """Of both models' headlines."""

    def of(said: Sequence[str]) -> tuple[float, float]:
        parts = metric.row_parts(said, answers.references, answers.languages)
        return bootstrap_interval(metric, np.array(parts, dtype=float))

    return Intervals(dense=of(answers.dense), pruned=of(answers.pruned))


def _samples(evaluation: Evaluation, task: Task) -> tuple[Sample, ...]:
    """The first test rows with both models' answers."""
    rows = take_first(task.test, SAMPLES)
    answers = zip(
        rows["source"], rows["references"], evaluation.dense.predictions, evaluation.pruned.predictions, strict=False
    )
    return tuple(
        Sample(source=source, reference=" | ".join(references), dense=dense, pruned=pruned)
        for source, references, dense, pruned in answers
    )
