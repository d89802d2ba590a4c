"""The state of a run between two stages: plain references that never change, replaced by the next stage's."""

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from datasets import Dataset
from transformers import PretrainedConfig, PreTrainedModel

from prunekit._support.progress import Progress, StageProgress, counting
from prunekit.cut import checkpoint
from prunekit.cut.token_ids import BEGINNING
from prunekit.data.encoded import collate_batches
from prunekit.data.lengths import Positions, fit_workload, positions_of
from prunekit.data.processors import Collator
from prunekit.find.groups import PruningGroup
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.latency.workload import check_workloads
from prunekit.learn.strategy import Strategy
from prunekit.learn.training.budget import BudgetTracker
from prunekit.learn.training.context import TrainingContext
from prunekit.learn.training.encoder_cache import GIGABYTE
from prunekit.learn.training.precision import check_precision
from prunekit.learn.training.teacher import Teacher, TeacherCache
from prunekit.loading.context import RunContext, open_run_context, open_strategy
from prunekit.loading.device import device_of
from prunekit.loading.resolve import resolve
from prunekit.measure.equivalence import Equivalence
from prunekit.measure.predictions import dense_answers
from prunekit.measure.quality import beginning
from prunekit.pipeline.evaluation import Evaluation, take_first
from prunekit.pipeline.run_directory import RunDirectory
from prunekit.pipeline.speed_options import SpeedTarget
from prunekit.pipeline.start import Start, open_start
from prunekit.pipeline.trackers import Trackers, check_trackers
from prunekit.recipe import MeasureSection, Recipe, TrainingSection, Workload
from prunekit.report.data_section import DataSection
from prunekit.report.report import Report
from prunekit.report.sections import RecoveredStage

PROOF_ROWS = 16
"""Dev rows on which every cut is proved, in batches of half as many."""


@dataclass(frozen=True)
class EncodedData:
    """A task's rows as the live model reads them: for training, and for proofs. They change with the vocabulary."""

    training: TrainingContext
    proofs: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class DenseTeacher:
    """The dense model that teaches: `plan` is what it has lost itself (tokens, or what an earlier run removed)."""

    model: PreTrainedModel
    plan: PruningPlan
    cache: TeacherCache = field(default_factory=TeacherCache)

    def of(self, groups: tuple[PruningGroup, ...], plan: PruningPlan) -> Teacher:
        """The teacher of what `plan` left: its layers and hidden dimensions that the student still has."""
        return Teacher.of(self.model, groups_after(groups, self.plan), plan, self.cache)


@dataclass(frozen=True)
class RunState:
    """What a run knows between two stages. A stage never changes it: it returns another one.

    `dense` and `pruned` are the model before and after: each with the processor and the generation settings that belong
    to it; `trackers` are sent what is logged. Until the dense model is set aside they share one model, the live one,
    which is trained and cut in place. `plan` is what has been removed so far, `proposal` what the next cut removes,
    both in the original model's coordinates. `start` is the earlier run whose pruned model takes the live one's place.
    `show` is told what the look before the work finds, which looks at `sample` rows of a set at most where that is not
    None. Example: after ``propose_upfront`` of nash, `proposal` keeps two of twelve decoder layers, and after
    ``cut_proposal`` so does `plan`.
    """

    recipe: Recipe
    strategy: Strategy | None
    directory: RunDirectory
    progress: Progress | None
    dense: RunContext
    pruned: RunContext
    data: EncodedData
    teacher: DenseTeacher
    plan: PruningPlan
    proposal: PruningPlan
    trackers: Trackers
    start: Start | None = None
    target: SpeedTarget | None = None
    equivalence: Equivalence | None = None
    found: DataSection | None = None
    show: Callable[[DataSection], None] | None = None
    sample: int | None = None
    recovered: tuple[RecoveredStage, ...] = ()
    evaluation: Evaluation | None = None
    report: Report | None = None

    @property
    def budget(self) -> BudgetTracker:
        """What learning and recovery have spent."""
        return self.data.training.budget

    @property
    def named_steps(self) -> int:
        """Training steps that the recipe names, the strategy's among them; a budget may allow for others."""
        recipe = self.recipe
        own = sum(getattr(self.strategy, name, 0) for name in ("steps", "decoder_steps"))
        return recipe.teacher.steps + recipe.recovery.steps + own

    @property
    def groups(self) -> tuple[PruningGroup, ...]:
        """The groups of the live model."""
        return groups_after(self.dense.graph.groups, self.plan)

    @property
    def dense_config(self) -> PretrainedConfig:
        """A copy of the original model's config, which a cut may keep."""
        config: PretrainedConfig = copy.deepcopy(checkpoint.dense_config(self.dense.model.config))
        return config

    def listener(self, stage: str) -> StageProgress | None:
        """The progress display of a stage that counts only how much of it is done."""
        return counting(self.progress, stage)


def open_run(
    recipe: Recipe,
    progress: Progress | None = None,
    show: Callable[[DataSection], None] | None = None,
    directory: RunDirectory | None = None,
    sample: int | None = None,
) -> RunState:
    """The state that the first stage starts from: everything that the recipe names is opened and encoded.

    With a `sample` only so many training rows are. `directory` is the recipe's output unless another one is given.
    Raises `PrunekitError` in one sentence for whatever is missing, damaged or does not fit.
    """
    recipe = resolve(recipe.model_dump(exclude_unset=True))
    directory = directory or RunDirectory(recipe)
    directory.check()
    with directory.stage("find"):
        check_training(recipe)
        strategy = None if recipe.plan else open_strategy(recipe)
        context = open_run_context(recipe)
        recipe = _fit_default_workloads(recipe, _positions_of(context))
        check_workloads(context.model, recipe.measure.workloads)
        _check_known_answers(recipe.measure, context.task.test)
        plan = checkpoint.plan_of(context.model) or PruningPlan()
        budget = _budget_tracker(recipe, directory, context.device)
        return RunState(
            recipe=recipe,
            strategy=strategy,
            directory=directory,
            progress=progress,
            dense=context,
            pruned=context,
            data=encode_data(context, recipe, directory, progress, budget, sample),
            teacher=DenseTeacher(context.model, plan, teacher_cache(recipe.training)),
            plan=plan,
            proposal=PruningPlan.load(recipe.plan) if recipe.plan else PruningPlan(),
            trackers=Trackers(recipe.training.report_to, directory.path, directory.log, directory.work),
            start=open_start(recipe, context),
            show=show,
            sample=sample,
        )


def check_training(recipe: Recipe) -> None:
    """Raise `PrunekitError` for a precision that the device lacks, and for trackers that are not there."""
    check_precision(recipe.training.precision, device_of(recipe.device))
    check_trackers(recipe.training.report_to)


def _positions_of(context: RunContext) -> Positions:
    return positions_of(context.model.config, context.model, context.adapter.ahead)


def _budget_tracker(recipe: Recipe, directory: RunDirectory, device: str) -> BudgetTracker:
    spent = directory.work / "spent.json"
    return BudgetTracker(spent, device, recipe.budget.examples, lambda: directory.lock.held)


def _check_known_answers(measure: MeasureSection, test: Dataset) -> None:
    """Raise `PrunekitError` where the dense model's answers are to be read from a file that does not hold them."""
    if measure.dense_predictions is not None:
        dense_answers(measure.dense_predictions, take_first(test, measure.eval_examples))


def _fit_default_workloads(recipe: Recipe, positions: Positions) -> Recipe:
    """The recipe with workloads that the model has positions for, where the user chose none."""
    measure = recipe.measure
    target = recipe.target.model_copy(update={"workload": fit_workload(recipe.target.workload, positions)})
    if "workloads" not in measure.model_fields_set:
        workloads = tuple(fit_workload(Workload(batch=each.batch), positions) for each in measure.workloads)
        measure = measure.model_copy(update={"workloads": workloads})
    return recipe.model_copy(update={"measure": measure, "target": target})


def teacher_cache(training: TrainingSection) -> TeacherCache:
    """An empty cache for what a teacher computes, as large as the recipe allows."""
    return TeacherCache(encoder_limit=int(training.encoder_cache * GIGABYTE))


def take_sample(rows: Dataset, count: int | None, seed: int) -> Dataset:
    """So many rows, drawn by chance and in their order; all where there are no more, or `count` is None."""
    if count is None or count >= len(rows):
        return rows
    return rows.select(sorted(random.Random(seed).sample(range(len(rows)), count)))


def encode_data(
    context: RunContext,
    recipe: Recipe,
    directory: RunDirectory,
    progress: Progress | None,
    budget: BudgetTracker,
    sample: int | None = None,
) -> EncodedData:
    """The task's rows as the model of `context` reads them; of those for training only a `sample`, if it is given."""
    processor = context.processor
    task = context.task
    training = TrainingContext(
        processor=processor,
        train=processor.encode(take_sample(task.train, sample, recipe.seed)),
        dev=processor.encode(take_first(task.dev, recipe.measure.dev_examples)),
        training=recipe.training,
        directory=directory.work,
        log=directory.log,
        seed=recipe.seed,
        device=context.device,
        dev_batch=recipe.measure.batch,
        progress=progress,
        claim=directory.claim,
        budget=budget,
    )
    return EncodedData(training, tuple(proof_batches(context)))


def proof_batches(context: RunContext) -> Iterator[dict[str, Any]]:
    """The first dev rows in batches of rows that are asked alike, with how their answers begin where that differs."""
    processor = context.processor
    proofs = processor.encode(take_first(context.task.dev, PROOF_ROWS))
    collate = Collator(processor, context.model)
    for asking, chunk in proofs.asked_alike(range(len(proofs)), PROOF_ROWS // 2):
        for batch in collate_batches(proofs, chunk, len(chunk), collate, context.model):
            yield batch if asking is None else {**batch, BEGINNING: beginning(processor, asking)}
