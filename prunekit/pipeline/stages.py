"""A run in progress: what each stage does to the live model, and what has been found out on the way."""

import copy
import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from prunekit._support.progress import Progress, StageProgress, counting
from prunekit.cut import checkpoint
from prunekit.cut.surgery import cut
from prunekit.cut.token_ids import Renumbering, vocabulary_group
from prunekit.data.encoded import collate_batches
from prunekit.data.processors import Collator
from prunekit.errors import PrunekitError
from prunekit.find.graph import DependencyGraph
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.latency.workload import check_workloads
from prunekit.learn.bench import Bench, TrainingContext
from prunekit.learn.strategy import Problem, Strategy
from prunekit.learn.training.budget import BudgetTracker
from prunekit.learn.training.distillation import Distillation, TeacherCache
from prunekit.learn.training.step_cost import estimate_step_cost
from prunekit.learn.training.trainer import Teacher
from prunekit.loading.context import RunContext
from prunekit.measure.equivalence import Equivalence, cut_checked
from prunekit.pipeline.evaluation import first_rows, quality_of
from prunekit.pipeline.run_directory import RunDirectory
from prunekit.recipe import BudgetSection, Recipe
from prunekit.report.training_log import phases
from prunekit.vocabulary.pruning import plan_for, prune_processor, required_token_ids

log = logging.getLogger(__name__)

FRESH = 1_000_003
"""Added to the seed of random weights, so that they are not by chance those from which the dense model was trained."""

WATCHED = 0.03
"""For what share of a budget in seconds steps are timed, on a copy, to find how many the budget allows for."""

PROOFS = 16
"""Dev rows on which every cut is proved, in batches of half as many."""


def problem_of(graph: DependencyGraph, recipe: Recipe, before: PruningPlan) -> Problem:
    """What a strategy is asked about the model that `before` left of the original behind `graph`."""

    def sizes(of: DependencyGraph) -> dict[str, Any]:
        stacks = {stack: of.prunable_size(stack) for stack in ("encoder", "decoder")}
        return {**stacks, "non_embedding": of.size_of("encoder", "decoder"), "total": of.size}

    live = graph.after(before)
    whole = {part: size.whole for part, size in sizes(graph).items()}
    return Problem(live.groups, sizes(live), whole, recipe.round_to, recipe.seed)


class Line:
    """A run in progress: the live model, what has been cut of it so far, and the dense one to compare with.

    `live` is the subject as the live model reads it, and `lesson` the dense model with the tokens that are left.
    """

    def __init__(
        self,
        recipe: Recipe,
        context: RunContext,
        strategy: Strategy | None,
        place: RunDirectory,
        progress: Progress | None,
    ):
        self.recipe, self.context, self.strategy = recipe, context, strategy
        self.given = PruningPlan.load(recipe.plan) if recipe.plan else PruningPlan()
        self.place, self.progress = place, progress
        self.model = self.dense = self.lesson = context.model
        self.live = context
        self.original = copy.deepcopy(checkpoint.dense_config(self.model.config))
        self.start = self.done = checkpoint.plan_of(self.model) or PruningPlan()
        self.equivalence: Equivalence | None = None
        self.cache = TeacherCache()
        check_workloads(self.model, recipe.measure.workloads)
        self.ledger = BudgetTracker(place.work / "spent.json", context.device, recipe.budget.examples)
        self._read()

    def _read(self) -> None:
        """Encode the task's rows as the live model reads them."""
        task, processor, recipe, place = self.context.task, self.live.processor, self.recipe, self.place
        self.around = TrainingContext(
            processor=processor,
            train=processor.encode(task.train),
            dev=processor.encode(first_rows(task.dev, recipe.measure.dev_examples)),
            training=recipe.training,
            directory=place.work,
            log=place.journal,
            seed=recipe.seed,
            device=self.context.device,
            dev_batch=recipe.measure.batch,
            progress=self.progress,
            claim=place.open,
            budget=self.ledger,
        )
        proofs, collate = processor.encode(first_rows(task.dev, PROOFS)), Collator(processor, self.model)
        self.proofs = list(collate_batches(proofs, range(len(proofs)), PROOFS // 2, collate, self.model))

    def check(self) -> None:
        """Raise `PrunekitError` for a given plan that does not fit the model."""
        self._fitting(self.given)

    def upfront(self) -> PruningPlan:
        """What goes before any training: the given plan, or the strategy's first answer."""
        if self.strategy is None:
            return self.given
        problem = problem_of(self.context.graph, self.recipe, self.done)
        with self.ledger.running():
            return self._fitting(self.strategy.upfront(problem, self._bench("upfront", self._teacher())))

    def _fitting(self, plan: PruningPlan) -> PruningPlan:
        self.done.then(plan).validate(self.context.graph.groups)
        return plan

    def teach(self) -> None:
        """Train the dense model on the task if the recipe asks for it; refuse one that cannot do the task at all."""
        losses, phase = Distillation(**self.recipe.teacher.distillation.model_dump()), self.recipe.teacher
        bench = self._bench("teacher", None, dataclasses.replace(self.around, budget=BudgetTracker()))
        bench.train(losses, steps=phase.steps, learning_rate=phase.learning_rate)
        metric, quality = self.context.task.metrics[0], self._judge(self.model)
        share = metric.share(quality)
        if share is not None and share < self.recipe.measure.least_quality:
            raise PrunekitError(
                f"The dense model's {metric.name} on the dev set is {quality:.3f}: it has not learned the task; give a "
                "model that was fine-tuned on it, or let prunekit train it with --set teacher.steps=N."
            )
        self.dense = self.lesson = copy.deepcopy(self.model)
        self.dense.train(False)

    def thin(self) -> None:
        """Take the tokens that the recipe's corpus, or the given plan, can do without; teacher and rows follow."""
        graph = self.context.graph.after(self.done)
        if self.recipe.vocabulary.corpus is not None:
            ids = required_token_ids(self.context, self.recipe.vocabulary)
        elif (words := vocabulary_group(graph.groups)) is not None and words.name in self.given.kept:
            ids = words.positions(self.given.of(words))
        else:
            return
        plan, context = plan_for(graph, ids), self.context
        renumbered = Renumbering.of(graph.groups, plan)
        spoken = context.generation if renumbered is None else renumbered.settings(context.generation)
        self.live = dataclasses.replace(context, processor=prune_processor(context.processor, ids), generation=spoken)
        self._read()
        back = Renumbering(dict(enumerate(ids)), len(ids))
        self.cut(plan, [back.batch(batch) for batch in self.proofs])  # as the model still reads them
        self.start, self.lesson = self.done, copy.deepcopy(self.model)

    def cut(self, plan: PruningPlan, proofs: Sequence[dict[str, Any]] | None = None) -> None:
        """Cut the live model and prove it against the masked one, on `proofs` or the first dev rows."""
        total = self.done.then(plan)
        if total == self.done:
            return
        graph, adapter = self.context.graph, self.context.adapter
        found = cut_checked(self.model, plan, adapter, graph, self.original, self.done, proofs or self.proofs)
        self.equivalence = found if self.equivalence is None else self.equivalence.worse(found)
        self.done = total

    def learn(self) -> PruningPlan:
        """The strategy's second answer, for the model that is left."""
        if self.strategy is None:
            return PruningPlan()
        problem = problem_of(self.context.graph, self.recipe, self.done)
        with self.ledger.running():
            return self.strategy.plan(problem, self._bench("learn", self._teacher()))

    def recover(self) -> None:
        """Fine-tune what is left, for as many steps as the recipe asks for or as its budget has left."""
        phase = self.recipe.recovery
        if phase.weights == "random":
            self._forget()
        losses = Distillation(**phase.distillation.model_dump())
        bench = self._bench("recover", self._teacher())
        if self.recipe.budget.limited:
            steps = self.place.once("recovery_steps", lambda: self._affordable(bench, losses))
            phase = phase.model_copy(update={"steps": steps})
            self.recipe = self.recipe.model_copy(update={"recovery": phase, "budget": BudgetSection()})
        with self.ledger.running():
            bench.train(losses, steps=phase.steps, learning_rate=phase.learning_rate, frozen_stacks=phase.frozen)
        if self.strategy is not None and not phases(self.place.journal) - {"teacher"}:
            log.warning(
                "Nothing was trained, so nothing makes good what the cut took: give the recovery steps "
                "(--set recovery.steps=1000) or a budget (--set budget.examples=100000)."
            )

    def _affordable(self, bench: Bench, losses: Distillation) -> int:
        """The steps of recovery that the budget has left; with two limits, those of the tighter one."""
        budget, limits = self.recipe.budget, []
        if budget.examples is not None:
            limits.append(self.around.step_counter.steps(budget.examples - self.ledger.examples))
        if budget.cpu_seconds is not None:
            still = self.recipe.recovery.frozen
            found = estimate_step_cost(bench, losses, still, WATCHED * budget.cpu_seconds)
            limits.append(found.steps(budget.cpu_seconds - self.ledger.seconds))
        return min(limits)

    def _forget(self) -> None:
        """Random weights in the pruned shape, where training from scratch starts."""
        torch.manual_seed(FRESH + self.recipe.seed)
        fresh = self.context.adapter.fresh(copy.deepcopy(self.original))
        if self.done != PruningPlan():
            fresh = cut(fresh, self.done, self.context.adapter, self.context.graph, copy.deepcopy(self.original))
        self.model.load_state_dict(fresh.state_dict())

    def listener(self, stage: str) -> StageProgress | None:
        """The progress display, for a stage that counts only how much is done."""
        return counting(self.progress, stage)

    def _bench(self, phase: str, teacher: Teacher | None, around: TrainingContext | None = None) -> Bench:
        groups = groups_after(self.context.graph.groups, self.done)
        return Bench(self.model, around or self.around, self._judge, groups, teacher, phase)

    def _teacher(self) -> Teacher:
        """The dense model, with the layers and hidden dimensions of it that are still left in the live one."""
        return Teacher.of(self.lesson, groups_after(self.context.graph.groups, self.start), self.done, self.cache)

    def _judge(self, model: PreTrainedModel) -> float:
        """The headline metric on the first dev rows."""
        task = self.context.task
        rows = first_rows(task.dev, self.recipe.measure.dev_examples)
        return quality_of(model, self.live, self.recipe, rows).scores[task.metrics[0].name]
