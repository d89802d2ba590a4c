"""Was it worth it: both models' quality and speed, and the report on the whole run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from transformers import PreTrainedModel

from prunekit._support.progress import StageProgress
from prunekit.data.encoded import EncodedDataset, collate_batches
from prunekit.data.metrics.metric import SummedMetric, retained
from prunekit.data.processors import Collator, Processor
from prunekit.data.tasks import Task
from prunekit.find.plan import PruningPlan
from prunekit.latency.timing import Timing, compare_latency
from prunekit.latency.workload import inputs_for
from prunekit.learn.training.budget import BudgetTracker
from prunekit.learn.training.loss import mean_loss
from prunekit.loading.context import RunContext
from prunekit.measure.bootstrap import interval
from prunekit.measure.environment import environment
from prunekit.measure.equivalence import Equivalence
from prunekit.measure.predictions import Predictions, answers
from prunekit.measure.quality import Quality, evaluate_quality, score_answers
from prunekit.recipe import Recipe
from prunekit.report.kept_units import KeptSection
from prunekit.report.report import Report
from prunekit.report.sections import (
    EquivalenceSection,
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

SAMPLES = 12


@dataclass(frozen=True)
class Evaluation:
    """Both models on the test rows that `predictions` holds, their losses per token there, and their speed."""

    dense: Quality
    pruned: Quality
    predictions: Predictions
    losses: QualityPair
    timings: tuple[Timing, ...]


def quality_of(
    model: PreTrainedModel, context: RunContext, recipe: Recipe, rows: Dataset, progress: StageProgress | None = None
) -> Quality:
    """What `model` scores on `rows` of the subject's task."""
    metrics, batch = context.task.metrics, recipe.measure.batch
    return evaluate_quality(model, context.processor, rows, metrics, context.generation, batch, progress)


def first_rows(rows: Dataset, count: int | None) -> Dataset:
    """The first `count` rows, or all."""
    return rows if count is None or count >= len(rows) else rows.select(range(count))


def evaluate_run(
    dense: PreTrainedModel,
    pruned: PreTrainedModel,
    context: RunContext,
    live: RunContext,
    recipe: Recipe,
    listen: Callable[[str], StageProgress | None],
) -> Evaluation:
    """Quality on the test rows, then speed; `listen` gives the progress display of a stage.

    `context` is read as the dense model reads it, `live` as the pruned one does.
    """
    wanted = recipe.measure
    rows = first_rows(context.task.test, wanted.eval_examples)
    before = dense_quality(dense, context, recipe, rows, listen("test, dense"))
    after = quality_of(pruned, live, recipe, rows, listen("test, pruned"))
    encoded = context.processor.encode(rows)
    fewer = encoded if live.processor is context.processor else live.processor.encode(rows)
    losses = QualityPair(
        dense=loss_on(dense, context.processor, encoded, wanted.batch),
        pruned=loss_on(pruned, live.processor, fewer, wanted.batch),
    )
    timings = compare_latency(
        dense,
        pruned,
        wanted.workloads,
        wanted.repeats,
        wanted.threads,
        recipe.seed,
        listen("speed"),
        inputs_for(context.processor),
    )
    predictions = Predictions.of(rows, before.predictions, after.predictions)
    return Evaluation(before, after, predictions, losses, timings)


def loss_on(model: PreTrainedModel, processor: Processor, rows: EncodedDataset, batch: int) -> float:
    """The model's loss per target token on encoded rows, in nats."""
    return mean_loss(model, collate_batches(rows, rows.by_length(), batch, Collator(processor, model), model))


def dense_quality(
    model: PreTrainedModel, context: RunContext, recipe: Recipe, rows: Dataset, progress: StageProgress | None = None
) -> Quality:
    """The dense model's quality, by its known answers where the recipe names a file of them."""
    known = recipe.measure.dense_predictions
    if known is None:
        return quality_of(model, context, recipe, rows, progress)
    return score_answers(answers(known, rows), rows, context.task.metrics)


def report_on(
    verdict: Evaluation,
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
        quality=_quality(verdict, context.task),
        latency=LatencySection.over(verdict.timings, context.task.modality == "audio") if verdict.timings else None,
        equivalence=EquivalenceSection(**vars(equivalence)) if equivalence else None,
        seconds=SecondsSection(**seconds),
        spent=SpentSection(examples=ledger.examples, cpu_seconds=ledger.seconds, device=ledger.device),
        samples=_samples(verdict, context.task),
    )


def _quality(verdict: Evaluation, task: Task) -> QualitySection:
    head, *rest = task.metrics
    dense, pruned = verdict.dense.scores, verdict.pruned.scores
    return QualitySection(
        metric=head.name,
        higher_is_better=head.higher_is_better,
        dense=dense[head.name],
        pruned=pruned[head.name],
        retained=retained(head, dense[head.name], pruned[head.name]),
        examples=len(verdict.dense.predictions),
        others={metric.name: QualityPair(dense=dense[metric.name], pruned=pruned[metric.name]) for metric in rest},
        intervals=_intervals(head, verdict.predictions) if isinstance(head, SummedMetric) else None,
        loss=verdict.losses,
    )


def _intervals(metric: SummedMetric, answers: Predictions) -> Intervals:
    """Of both models' headlines."""

    def of(said: Sequence[str]) -> tuple[float, float]:
        return interval(metric, np.array(metric.row_parts(said, answers.references), dtype=float))

    return Intervals(dense=of(answers.dense), pruned=of(answers.pruned))


def _samples(verdict: Evaluation, task: Task) -> tuple[Sample, ...]:
    """The first test rows with both models' answers."""
    rows = first_rows(task.test, SAMPLES)
    answers = zip(
        rows["source"], rows["references"], verdict.dense.predictions, verdict.pruned.predictions, strict=False
    )
    return tuple(
        Sample(source=source, reference=" | ".join(references), dense=dense, pruned=pruned)
        for source, references, dense, pruned in answers
    )
