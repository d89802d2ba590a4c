"""The line that every run follows, from recipe to report."""

import copy
from collections.abc import Callable, Mapping

from transformers import PreTrainedModel

from prunekit.cut import checkpoint
from prunekit.cut.surgery import cut
from prunekit.data.metrics import retained
from prunekit.data.tasks import encode
from prunekit.errors import PrunekitError
from prunekit.files import write_text
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph, discover
from prunekit.find.units import Kind, PruningPlan, narrow
from prunekit.learn.bench import Bench, Surroundings
from prunekit.learn.distill import Distillation
from prunekit.learn.rows import Rows
from prunekit.learn.strategy import Problem, Strategy
from prunekit.learn.training import Collator, Teacher
from prunekit.measure.environment import environment
from prunekit.measure.equivalence import Equivalence, cut_checked
from prunekit.measure.latency import compare
from prunekit.measure.quality import Quality, evaluate
from prunekit.measure.report import Report
from prunekit.measure.sections import (
    EquivalenceSection,
    LatencySection,
    LayersSection,
    ParametersSection,
    QualityPair,
    QualitySection,
    Sample,
    SecondsSection,
    SparsitySection,
    WidthsSection,
)
from prunekit.recipe import DistillationSection, PhaseSection, Recipe
from prunekit.subject import Subject, open_strategy, open_subject
from prunekit.workplace import Workplace

Progress = Callable[[str, int, int, Mapping[str, float]], None]
"""Told the stage, how much of it is done, of how much, and the latest figures."""

PROOFS = 2
"""Batches of 8 dev rows on which every cut is proved."""


def run(recipe: Recipe, progress: Progress | None = None) -> Report:
    """Prune as `recipe` says and write the result into its output directory.

    Leaves ``recipe.yaml``, ``plan.json``, ``model/``, ``report.json``, ``report.html`` and ``log.jsonl`` there. Raises
    `PrunekitError` for anything that cannot work, before the directory is touched where that can be known.
    """
    place = Workplace(recipe)
    place.check()
    with place.stage("find"):
        subject = open_subject(recipe)
        strategy = None if recipe.plan else open_strategy(recipe)
        line = Line(recipe, subject, strategy, place, progress)
        first = line.upfront()
    place.open()
    with place.stage("learn"):
        line.teach()
    with place.stage("cut"):
        line.cut(first)
    with place.stage("learn"):
        second = line.learn()
    with place.stage("cut"):
        line.cut(second)
    with place.stage("recover"):
        line.recover()
    with place.stage("measure"):
        measured = line.measure()
    report = line.report(measured)
    line.write(report)
    place.close()
    return report


def problem_of(graph: DependencyGraph, recipe: Recipe, before: PruningPlan) -> Problem:
    """What a strategy is asked about the model that `before` left of the original behind `graph`."""
    live = graph.after(before)
    sizes = {"encoder": live.prunable_size("encoder"), "decoder": live.prunable_size("decoder")}
    sizes |= {"non_embedding": live.size_of("encoder", "decoder"), "total": live.size}
    whole = {"encoder": graph.prunable_size("encoder").whole, "decoder": graph.prunable_size("decoder").whole}
    whole |= {"non_embedding": graph.size_of("encoder", "decoder").whole, "total": graph.size.whole}
    return Problem(live.groups, sizes, whole, recipe.round_to, recipe.seed)


class Line:
    """A run in progress: the live model, what has been cut of it so far, and the dense one for comparison."""

    def __init__(
        self,
        recipe: Recipe,
        subject: Subject,
        strategy: Strategy | None,
        place: Workplace,
        progress: Progress | None,
    ):
        self.recipe, self.subject, self.strategy, self.place, self.progress = recipe, subject, strategy, place, progress
        self.model = subject.model
        self.dense = self.model
        self.start = checkpoint.plan_of(self.model) or PruningPlan()
        self.done = self.start
        self.original = checkpoint.dense_config(self.model.config)
        self.equivalence: Equivalence | None = None
        rows = Rows(encode(subject.task.train, subject.tokenizer, subject.task.section))
        self.around = Surroundings(
            subject.tokenizer, rows, recipe.training, place.work, place.journal, recipe.seed, subject.device, progress
        )
        dev = encode(
            subject.task.dev.select(range(min(8 * PROOFS, len(subject.task.dev)))),
            subject.tokenizer,
            subject.task.section,
        )
        collate = Collator(subject.tokenizer, self.model)
        self.proofs = [
            {
                key: value.to(self.model.device)
                for key, value in collate(list(dev.select(range(at, min(at + 8, len(dev)))))).items()
            }
            for at in range(0, len(dev), 8)
        ]

    def upfront(self) -> PruningPlan:
        """What goes before any training: the given plan, or the strategy's first answer."""
        problem = problem_of(self.subject.graph, self.recipe, self.done)
        plan = self.strategy.upfront(problem) if self.strategy else PruningPlan.load(str(self.recipe.plan))
        self.done.then(plan).validate(self.subject.graph.groups)
        return plan

    def teach(self) -> None:
        """Train the dense model on the task if the recipe asks for it; refuse one that cannot do the task at all."""
        self._phase("teacher", self.recipe.teacher, None)
        quality = self._judge(self.model)
        least = self.recipe.measure.least_quality
        good = quality if self.subject.task.metrics[0].higher_is_better else 1 - quality
        if good < least:
            raise PrunekitError(
                f"The dense model's {self.subject.task.metrics[0].name} on the dev set is {quality:.3f}: it has not learned "
                "the task; give a model fine-tuned on it, or let prunekit train it with --set teacher.steps=N."
            )
        self.dense = copy.deepcopy(self.model).eval()

    def cut(self, plan: PruningPlan) -> None:
        """Cut the live model and prove it against the masked one."""
        total = self.done.then(plan)
        if total == self.done:
            return
        found = cut_checked(
            self.model, plan, self.subject.adapter, self.subject.graph, self.original, self.done, self.proofs
        )
        self.equivalence = found if self.equivalence is None else self.equivalence.worse(found)
        self.done = total

    def learn(self) -> PruningPlan:
        """The strategy's second answer, for the model that is left."""
        if self.strategy is None:
            return PruningPlan()
        return self.strategy.plan(problem_of(self.subject.graph, self.recipe, self.done), self._bench("learn", self._teacher()))

    def recover(self) -> None:
        """Fine-tune what is left."""
        self._phase("recover", self.recipe.recovery, self._teacher())

    def measure(self) -> tuple[Quality, Quality, LatencySection | None]:
        """Quality of both models on the test rows, and their speed."""
        wanted, task = self.recipe.measure, self.subject.task
        rows = task.test.select(range(min(wanted.eval_examples or len(task.test), len(task.test))))
        scored = [
            evaluate(
                model,
                self.subject.tokenizer,
                rows,
                task.metrics,
                task.section,
                self.recipe.generation,
                wanted.batch,
                self._listen(f"test, {name}"),
            )
            for name, model in (("dense", self.dense), ("pruned", self.model))
        ]
        timed = compare(
            self.dense,
            self.model,
            wanted.workloads,
            wanted.repeats,
            wanted.threads,
            self.recipe.seed,
            self._listen("speed"),
        )
        return scored[0], scored[1], LatencySection.over(timed) if timed else None

    def report(self, measured: tuple[Quality, Quality, LatencySection | None]) -> Report:
        """Everything found out, as the contract asks."""
        dense, pruned, latency = measured
        graph, task, plan = self.subject.graph, self.subject.task, self.done
        head = task.metrics[0]
        others = {
            name: QualityPair(dense=score, pruned=pruned.scores[name])
            for name, score in dense.scores.items()
            if name != head.name
        }
        before, after = dense.scores[head.name], pruned.scores[head.name]
        rows = zip(task.test["source"], task.test["references"], dense.predictions, pruned.predictions, strict=False)
        return Report(
            adapter=self.subject.name,
            strategy=None if self.strategy is None else self.recipe.strategy,
            task=task.name,
            seed=self.recipe.seed,
            environment=environment(),
            parameters=ParametersSection.of(graph, plan),
            sparsity=SparsitySection.of(graph, plan),
            layers=LayersSection.of(graph.groups, plan),
            widths=WidthsSection.of(graph.groups, plan),
            quality=QualitySection(
                metric=head.name,
                higher_is_better=head.higher_is_better,
                dense=before,
                pruned=after,
                retained=retained(head, before, after),
                examples=len(dense.predictions),
                others=others,
            ),
            latency=latency,
            equivalence=EquivalenceSection(**vars(self.equivalence)) if self.equivalence else None,
            seconds=SecondsSection(**self.place.seconds()),
            samples=tuple(
                Sample(source=source, reference=" | ".join(references), dense=one, pruned=two)
                for source, references, one, two in list(rows)[:12]
            ),
        )

    def write(self, report: Report) -> None:
        """Plan, checkpoint and report, each appearing whole."""
        directory = self.place.directory
        write_text(directory / "plan.json", self.done.to_json())
        checkpoint.save(self.model, directory / "model", self.subject.tokenizer)
        report.write(directory)

    def _bench(self, phase: str, teacher: Teacher | None) -> Bench:
        live = narrow(self.subject.graph.groups, self.done)
        layers = {g.stack: [f"{g.path}.{n}" for n in range(len(g))] for g in live if g.kind is Kind.LAYERS}
        return Bench(self.model, self.around, self._judge, teacher, layers, phase)

    def _teacher(self) -> Teacher:
        """The dense model, with the layers of it that are still left in the live one."""
        layers = {}
        for group in narrow(self.subject.graph.groups, self.start):
            if group.kind is Kind.LAYERS:
                layers[group.stack] = [f"{group.path}.{n}" for n in group.positions(self.done.of(group))]
        return Teacher(self.dense, layers)

    def _phase(self, name: str, phase: PhaseSection, teacher: Teacher | None) -> None:
        bench = self._bench(name, teacher)
        bench.train(_distillation(phase.distillation), steps=phase.steps, learning_rate=phase.learning_rate)

    def _judge(self, model: PreTrainedModel) -> float:
        """The headline metric on the first dev rows."""
        task, count = self.subject.task, self.recipe.measure.dev_examples
        rows = task.dev.select(range(min(count, len(task.dev))))
        scored = evaluate(
            model,
            self.subject.tokenizer,
            rows,
            task.metrics[:1],
            task.section,
            self.recipe.generation,
            self.recipe.measure.batch,
        )
        return scored.scores[task.metrics[0].name]

    def _listen(self, stage: str) -> Callable[[int, int], None] | None:
        if self.progress is None:
            return None
        tell = self.progress
        return lambda done, total: tell(stage, done, total, {})


def _distillation(section: DistillationSection) -> Distillation:
    return Distillation(**section.model_dump())


def prune(model: PreTrainedModel, plan: PruningPlan, adapter: Adapter) -> PreTrainedModel:
    """Cut `model` to `plan` in place and return it: surgery alone, without training, data or files.

    `adapter` describes the architecture. Example: ``prune(model, PruningPlan({"decoder.layers": (0, 11)}), T5())``.
    """
    original = checkpoint.dense_config(model.config)
    done = checkpoint.plan_of(model) or PruningPlan()
    return cut(model, plan, adapter, discover(adapter, original, None if done.kept else model), original, done)
