"""Speed as the target: the strategy's options are chosen so that a workload gets that fast with as little removed."""

import logging
from dataclasses import dataclass, replace

from prunekit._support.progress import Progress, counting
from prunekit.cut.checkpoint import plan_of
from prunekit.cut.surgery import cut_copy
from prunekit.errors import PrunekitError
from prunekit.find.graph import DependencyGraph
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.latency.cost_model import CostModel
from prunekit.latency.shapes import Shape, Shapes, calibrated_shapes
from prunekit.latency.speed_target import search_shape
from prunekit.latency.timing import speedups
from prunekit.latency.workload import input_maker_for
from prunekit.learn.strategy import Strategy
from prunekit.loading.context import RunContext
from prunekit.pipeline.run_directory import RunDirectory
from prunekit.recipe import Recipe, TargetSection, VocabularySection
from prunekit.report.report import Report
from prunekit.vocabulary.pruning import corpus_for, plan_for, required_token_ids

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpeedTarget:
    """A run's target: the recipe with the options that were chosen for it, and the cost model that chose them."""

    recipe: Recipe
    speedup: float
    cost: CostModel

    def add_prediction(self, report: Report, plan: PruningPlan) -> Report:
        """The report with the speed that was predicted for `plan`, beside the measured one; a miss is said aloud."""
        latency = report.latency
        predicted = self.cost.speedup(plan)
        if latency is None:
            return report
        if latency.speedup < 0.95 * self.speedup:
            log.warning(
                "The model is %.2f times as fast, not %g times; %.2f was predicted. The machine may have been busy: "
                "measure again, or aim a little higher.",
                latency.speedup,
                self.speedup,
                predicted,
            )
        first, *others = latency.workloads
        known = {"predicted_speedup": predicted}
        changed = latency.model_copy(update={**known, "workloads": [first.model_copy(update=known), *others]})
        return report.model_copy(update={"latency": changed})


def resolve_target(
    recipe: Recipe,
    context: RunContext,
    strategy: Strategy | None,
    place: RunDirectory,
    progress: Progress | None = None,
) -> SpeedTarget | None:
    """Choose the strategy's options for the recipe's target; None where it has none.

    Decided once: a run that is resumed goes on with the same shape. The workload becomes the first that is measured.
    Raises `PrunekitError` for a strategy that cannot be told how many layers to keep, and for a target out of reach.
    """
    target = recipe.target
    if target.speedup is None:
        return None
    fields = type(strategy).model_fields if strategy else {}
    if "decoder_layers" not in fields:
        what = "A given plan" if strategy is None else f"The strategy {recipe.strategy!r}"
        raise PrunekitError(
            f"{what} says itself what stays, so it cannot aim at a speed; take a strategy with the option "
            "decoder_layers, such as nash, or leave out target.speedup."
        )
    found = place.once("target", lambda: _found(recipe, context, "encoder_sparsity" in fields, progress))
    live = groups_after(context.graph.groups, plan_of(context.model) or PruningPlan())
    cost = CostModel(target.workload, found["prices"], live, found["noise"])
    others = tuple(workload for workload in recipe.measure.workloads if workload != target.workload)
    changed = {
        "options": {**recipe.options, **found["options"]},
        "target": TargetSection(),
        "measure": recipe.measure.model_copy(update={"workloads": (target.workload, *others)}),
    }
    return SpeedTarget(recipe.model_copy(update=changed), target.speedup, cost)


def _found(recipe: Recipe, context: RunContext, narrows: bool, progress: Progress | None) -> dict[str, object]:
    """The options, with the prices behind them, for the run to keep."""
    target = recipe.target
    measure = recipe.measure
    assert target.speedup is not None
    shapes = shapes_for_run(context, recipe, progress)
    inputs = input_maker_for(context.processor)

    def measured(shape: Shape) -> float:
        tell = counting(progress, f"timing {shape.spelled}")
        small = {"pruned": cut_copy(context.model, shape.plan, context.adapter, context.graph)}
        work = (target.workload, measure.repeats, measure.threads, recipe.seed, tell, inputs)
        return speedups(context.model, small, *work)["pruned"].speedup

    shape, found = search_shape(shapes, target.speedup, measured, None if narrows else [0.0])
    options: dict[str, object] = {"decoder_layers": shape.decoder_layers}
    if narrows:
        options["encoder_sparsity"] = shape.encoder_sparsity
    log.info(
        "%g times the speed: %s, by prediction %.2f times, by measurement %.2f.",
        target.speedup,
        shape.spelled,
        shape.speedup,
        found,
    )
    return {"options": options, "prices": shapes.cost.prices, "noise": shapes.cost.noise}


def shapes_for_run(context: RunContext, recipe: Recipe, progress: Progress | None = None) -> Shapes:
    """The shapes of a run's model, timed on this machine for the target's workload."""
    workload = recipe.target.workload
    threads = recipe.measure.threads
    sources = input_maker_for(context.processor)
    shapes = calibrated_shapes(context.model, context.adapter, context.graph, workload, threads, sources, progress)
    return replace(shapes, round_to=recipe.round_to, base=vocabulary_plan(context, recipe.vocabulary, shapes.graph))


def vocabulary_plan(context: RunContext, section: VocabularySection, graph: DependencyGraph) -> PruningPlan:
    """What a section removes of the vocabulary of the model behind `graph`; nothing without a corpus."""
    if section.corpus is None:
        return PruningPlan()
    corpus = corpus_for(section, context.task)
    tokenizer = context.processor.tokenizer
    ids = required_token_ids(context.model, tokenizer, corpus, section.keep, context.generation)
    return plan_for(graph, ids)
