"""The line that every run follows, from recipe to report."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from transformers import PreTrainedModel

from prunekit.cut import checkpoint
from prunekit.cut.surgery import cut
from prunekit.data.tasks import encode
from prunekit.errors import PrunekitError
from prunekit.files import write_text
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph, discover
from prunekit.find.units import Kind, PruningPlan, narrow
from prunekit.learn.bench import Bench, Surroundings
from prunekit.learn.distill import Distillation, TeacherCache
from prunekit.learn.rows import Rows
from prunekit.learn.strategy import Problem, Strategy
from prunekit.learn.training import Collator, Teacher
from prunekit.measure.card import card
from prunekit.measure.equivalence import Equivalence, cut_checked
from prunekit.measure.report import Report
from prunekit.measure.workload import check
from prunekit.pretrained import original_of
from prunekit.recipe import PhaseSection, Recipe
from prunekit.subject import Subject, open_strategy, open_subject, resolve
from prunekit.verdict import first, judge, quality_of, report_on
from prunekit.workplace import Workplace

Progress = Callable[[str, int, int, Mapping[str, float]], None]
"""Told the stage, how much of it is done, of how much, and the latest figures."""

PROOFS = 16
"""Dev rows on which every cut is proved, in batches of half as many."""


def run(recipe: Recipe, progress: Progress | None = None) -> Report:
    """Prune as `recipe` says and write the result into its output directory.

    Leaves ``recipe.yaml``, ``plan.json``, ``model/``, ``report.json``, ``report.html`` and ``log.jsonl`` there. Raises
    `PrunekitError` for anything that cannot work, before the directory is touched where that can be known.
    """
    recipe = resolve(recipe.model_dump(exclude_unset=True))
    place = Workplace(recipe)
    place.check()
    with place.stage("find"):
        strategy = None if recipe.plan else open_strategy(recipe)
        line = Line(recipe, open_subject(recipe), strategy, place, progress)
        upfront = line.upfront()
    place.open()
    with place.stage("learn"):
        line.teach()
    with place.stage("cut"):
        line.cut(upfront)
    with place.stage("learn"):
        learned = line.learn()
    with place.stage("cut"):
        line.cut(learned)
    with place.stage("recover"):
        line.recover()
    with place.stage("measure"):
        verdict = judge(line.dense, line.model, line.subject, recipe, line.listener)
    report = report_on(verdict, line.subject, recipe, line.done, line.equivalence, place.seconds())
    write_text(place.directory / "plan.json", line.done.to_json())
    checkpoint.save(line.model, place.directory / "model", line.subject.tokenizer, card(report))
    report.write(place.directory)
    place.close()
    return report


def prune(model: PreTrainedModel, plan: PruningPlan, adapter: Adapter) -> PreTrainedModel:
    """Cut `model` to `plan` in place and return it: surgery alone, without training, data or files.

    `adapter` describes the architecture. Example: ``prune(model, PruningPlan({"decoder.layers": (0, 11)}), T5())``.
    """
    original = original_of(model, adapter)
    config = copy.deepcopy(original.config)
    return cut(model, plan, adapter, discover(adapter, config, original), config, checkpoint.plan_of(model))


def problem_of(graph: DependencyGraph, recipe: Recipe, before: PruningPlan) -> Problem:
    """What a strategy is asked about the model that `before` left of the original behind `graph`."""

    def sizes(of: DependencyGraph) -> dict[str, Any]:
        stacks = {stack: of.prunable_size(stack) for stack in ("encoder", "decoder")}
        return {**stacks, "non_embedding": of.size_of("encoder", "decoder"), "total": of.size}

    live = graph.after(before)
    whole = {part: size.whole for part, size in sizes(graph).items()}
    return Problem(live.groups, sizes(live), whole, recipe.round_to, recipe.seed)


class Line:
    """A run in progress: the live model, what has been cut of it so far, and the dense one to compare with."""

    def __init__(
        self,
        recipe: Recipe,
        subject: Subject,
        strategy: Strategy | None,
        place: Workplace,
        progress: Progress | None,
    ):
        self.recipe, self.subject, self.strategy, self.progress = recipe, subject, strategy, progress
        self.model = self.dense = subject.model
        self.original = copy.deepcopy(checkpoint.dense_config(self.model.config))
        self.start = self.done = checkpoint.plan_of(self.model) or PruningPlan()
        self.equivalence: Equivalence | None = None
        self.cache = TeacherCache()
        check(self.model, recipe.measure.workloads)
        task, tokenizer = subject.task, subject.tokenizer
        rows = Rows(encode(task.train, tokenizer, task.section))
        self.around = Surroundings(
            tokenizer, rows, recipe.training, place.work, place.journal, recipe.seed, subject.device, progress
        )
        proofs = Rows(encode(first(task.dev, PROOFS), tokenizer, task.section))
        collate, half = Collator(tokenizer, self.model), PROOFS // 2
        parts = [[proofs[n] for n in range(at, min(at + half, len(proofs)))] for at in range(0, len(proofs), half)]
        self.proofs = [{key: value.to(self.model.device) for key, value in collate(part).items()} for part in parts]

    def upfront(self) -> PruningPlan:
        """What goes before any training: the given plan, or the strategy's first answer."""
        problem = problem_of(self.subject.graph, self.recipe, self.done)
        plan = self.strategy.upfront(problem) if self.strategy else PruningPlan.load(str(self.recipe.plan))
        self.done.then(plan).validate(self.subject.graph.groups)
        return plan

    def teach(self) -> None:
        """Train the dense model on the task if the recipe asks for it; refuse one that cannot do the task at all."""
        self._phase("teacher", self.recipe.teacher, None)
        metric, quality = self.subject.task.metrics[0], self._judge(self.model)
        if (quality if metric.higher_is_better else 1 - quality) < self.recipe.measure.least_quality:
            raise PrunekitError(
                f"The dense model's {metric.name} on the dev set is {quality:.3f}: it has not learned the task; give a "
                "model that was fine-tuned on it, or let prunekit train it with --set teacher.steps=N."
            )
        self.dense = copy.deepcopy(self.model)
        self.dense.train(False)

    def cut(self, plan: PruningPlan) -> None:
        """Cut the live model and prove it against the masked one."""
        total = self.done.then(plan)
        if total == self.done:
            return
        graph, adapter = self.subject.graph, self.subject.adapter
        found = cut_checked(self.model, plan, adapter, graph, self.original, self.done, self.proofs)
        self.equivalence = found if self.equivalence is None else self.equivalence.worse(found)
        self.done = total

    def learn(self) -> PruningPlan:
        """The strategy's second answer, for the model that is left."""
        if self.strategy is None:
            return PruningPlan()
        problem = problem_of(self.subject.graph, self.recipe, self.done)
        return self.strategy.plan(problem, self._bench("learn", self._teacher()))

    def recover(self) -> None:
        """Fine-tune what is left."""
        self._phase("recover", self.recipe.recovery, self._teacher())

    def listener(self, stage: str) -> Callable[[int, int], None] | None:
        """The progress display, for a stage that counts only how much is done."""
        if self.progress is None:
            return None
        tell = self.progress
        return lambda done, total: tell(stage, done, total, {})

    def _bench(self, phase: str, teacher: Teacher | None) -> Bench:
        live = narrow(self.subject.graph.groups, self.done)
        layers = {g.stack: [f"{g.path}.{n}" for n in range(len(g))] for g in live if g.kind is Kind.LAYERS}
        return Bench(self.model, self.around, self._judge, teacher, layers, phase)

    def _teacher(self) -> Teacher:
        """The dense model, with the layers of it that are still left in the live one."""
        whole = (g for g in narrow(self.subject.graph.groups, self.start) if g.kind is Kind.LAYERS)
        layers = {g.stack: [f"{g.path}.{n}" for n in g.positions(self.done.of(g))] for g in whole}
        return Teacher(self.dense, layers, self.cache)

    def _phase(self, name: str, phase: PhaseSection, teacher: Teacher | None) -> None:
        losses = Distillation(**phase.distillation.model_dump())
        self._bench(name, teacher).train(losses, steps=phase.steps, learning_rate=phase.learning_rate)

    def _judge(self, model: PreTrainedModel) -> float:
        """The headline metric on the first dev rows."""
        task = self.subject.task
        rows = first(task.dev, self.recipe.measure.dev_examples)
        return quality_of(model, self.subject, self.recipe, rows).scores[task.metrics[0].name]
