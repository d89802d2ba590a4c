"""Was it worth it: both models' quality and speed, and the report on the whole run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from transformers import PreTrainedModel

from prunekit.data.encoded import Rows, collated
from prunekit.data.metrics import Metric, retained
from prunekit.data.processors import Collator, Reader
from prunekit.data.tasks import Task
from prunekit.find.groups import PruningPlan
from prunekit.latency.timing import Timing, compare
from prunekit.latency.workload import inputs_for
from prunekit.learn.training.budget import Ledger
from prunekit.learn.training.loss import mean_loss
from prunekit.loading.context import Subject
from prunekit.measure.bootstrap import interval
from prunekit.measure.environment import environment
from prunekit.measure.equivalence import Equivalence
from prunekit.measure.predictions import Predictions, answers
from prunekit.measure.quality import Progress, Quality, evaluate, score
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
class Verdict:
    """Both models on the test rows that `predictions` holds, their losses per token there, and their speed."""

    dense: Quality
    pruned: Quality
    predictions: Predictions
    losses: QualityPair
    timings: tuple[Timing, ...]


def quality_of(
    model: PreTrainedModel, subject: Subject, recipe: Recipe, rows: Dataset, progress: Progress | None = None
) -> Quality:
    """What `model` scores on `rows` of the subject's task."""
    metrics, batch = subject.task.metrics, recipe.measure.batch
    return evaluate(model, subject.reader, rows, metrics, subject.generation, batch, progress)


def first(rows: Dataset, count: int | None) -> Dataset:
    """The first `count` rows, or all."""
    return rows if count is None or count >= len(rows) else rows.select(range(count))


def judge(
    dense: PreTrainedModel,
    pruned: PreTrainedModel,
    subject: Subject,
    live: Subject,
    recipe: Recipe,
    listen: Callable[[str], Progress | None],
) -> Verdict:
    """Quality on the test rows, then speed; `listen` gives the progress display of a stage.

    `subject` is read as the dense model reads it, `live` as the pruned one does.
    """
    wanted = recipe.measure
    rows = first(subject.task.test, wanted.eval_examples)
    before = dense_quality(dense, subject, recipe, rows, listen("test, dense"))
    after = quality_of(pruned, live, recipe, rows, listen("test, pruned"))
    encoded = subject.reader.rows(rows)
    fewer = encoded if live.reader is subject.reader else live.reader.rows(rows)
    losses = QualityPair(
        dense=loss_on(dense, subject.reader, encoded, wanted.batch),
        pruned=loss_on(pruned, live.reader, fewer, wanted.batch),
    )
    timings = compare(
        dense,
        pruned,
        wanted.workloads,
        wanted.repeats,
        wanted.threads,
        recipe.seed,
        listen("speed"),
        inputs_for(subject.reader),
    )
    predictions = Predictions.of(rows, before.predictions, after.predictions)
    return Verdict(before, after, predictions, losses, timings)


def loss_on(model: PreTrainedModel, reader: Reader, rows: Rows, batch: int) -> float:
    """The model's loss per target token on encoded rows, in nats."""
    return mean_loss(model, collated(rows, rows.by_length(), batch, Collator(reader, model), model))


def dense_quality(
    model: PreTrainedModel, subject: Subject, recipe: Recipe, rows: Dataset, progress: Progress | None = None
) -> Quality:
    """The dense model's quality, by its known answers where the recipe names a file of them."""
    known = recipe.measure.dense_predictions
    if known is None:
        return quality_of(model, subject, recipe, rows, progress)
    return score(answers(known, rows), rows, subject.task.metrics)


def report_on(
    verdict: Verdict,
    subject: Subject,
    recipe: Recipe,
    plan: PruningPlan,
    equivalence: Equivalence | None,
    seconds: dict[str, float],
    ledger: Ledger,
) -> Report:
    """Everything found out, as the contract asks."""
    graph = subject.graph
    return Report(
        adapter=subject.name,
        strategy=None if recipe.plan else recipe.strategy,
        task=subject.task.name,
        seed=recipe.seed,
        environment=environment(),
        parameters=ParametersSection.of(graph, plan),
        sparsity=SparsitySection.of(graph, plan),
        layers=LayersSection.of(graph.groups, plan),
        widths=WidthsSection.of(graph.groups, plan),
        kept=KeptSection.of(graph.groups, plan),
        quality=_quality(verdict, subject.task),
        latency=LatencySection.over(verdict.timings, subject.task.reads == "sound") if verdict.timings else None,
        equivalence=EquivalenceSection(**vars(equivalence)) if equivalence else None,
        seconds=SecondsSection(**seconds),
        spent=SpentSection(examples=ledger.examples, cpu_seconds=ledger.seconds, device=ledger.device),
        samples=_samples(verdict, subject.task),
    )


def _quality(verdict: Verdict, task: Task) -> QualitySection:
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
        intervals=_intervals(head, verdict.predictions) if head.parts else None,
        loss=verdict.losses,
    )


def _intervals(metric: Metric, answers: Predictions) -> Intervals:
    """Of both models' headlines."""

    def of(said: Sequence[str]) -> tuple[float, float]:
        return interval(metric, np.array(metric.row_parts(said, answers.references), dtype=float))

    return Intervals(dense=of(answers.dense), pruned=of(answers.pruned))


def _samples(verdict: Verdict, task: Task) -> tuple[Sample, ...]:
    """The first test rows with both models' answers."""
    rows = first(task.test, SAMPLES)
    answers = zip(
        rows["source"], rows["references"], verdict.dense.predictions, verdict.pruned.predictions, strict=False
    )
    return tuple(
        Sample(source=source, reference=" | ".join(references), dense=dense, pruned=pruned)
        for source, references, dense, pruned in answers
    )
