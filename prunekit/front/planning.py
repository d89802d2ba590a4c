"""Plans the steps of a front for a model: how deep, and where the cost model says that widths and tokens buy speed."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from prunekit._support.progress import Progress
from prunekit.cut.checkpoint import plan_of
from prunekit.cut.token_ids import vocabulary_group
from prunekit.data.lengths import fit_workload, positions_of
from prunekit.errors import PrunekitError
from prunekit.find.plan import PruningPlan
from prunekit.front.steps import FrontStep, checked_depths, front_steps, narrowed_from
from prunekit.latency.shapes import Shapes, decoder_layers_group
from prunekit.learn.strategy import Strategy
from prunekit.loading.context import RunContext
from prunekit.pipeline.speed_options import shapes_for_run, vocabulary_plan
from prunekit.pipeline.start import open_start
from prunekit.recipe import Recipe, TargetSection, VocabularySection

log = logging.getLogger(__name__)

WORTH_SAYING = 1.05
"""The predicted gain in speed from which fewer tokens are advised."""


def front_depths(recipe: Recipe, asked: Sequence[int], context: RunContext) -> tuple[list[int], int]:
    """The decoder layers that each step keeps, and how many the dense model has.

    Raises `PrunekitError` for depths that are not below those of the model of `context`, or of the recipe's start.
    """
    start = open_start(recipe, context)
    before = (plan_of(context.model) or PruningPlan()) if start is None else start.plan
    live = decoder_layers_group(context.graph.after(before))
    whole = decoder_layers_group(context.graph)
    if live is None or whole is None:
        raise PrunekitError("The decoder's layers cannot be removed from this model, so there are no steps to take.")
    return checked_depths(asked, len(live)), len(whole)


def plan_steps(
    recipe: Recipe, strategy: Strategy, asked: Sequence[int], context: RunContext, progress: Progress | None
) -> list[FrontStep]:
    """The steps for the model of `context`, with an encoder narrowed as soon as that is predicted to buy speed.

    Tokens are removed only where the recipe says so, since texts of other kinds need them; whether that would buy
    speed is logged.
    """
    depths, whole = front_depths(recipe, asked, context)
    sparsity = getattr(strategy, "encoder_sparsity", None)
    sparsities: Sequence[float | None] = [sparsity] * len(depths)
    free_tokens = recipe.vocabulary.corpus is None and vocabulary_group(context.graph.groups) is not None
    if sparsity or free_tokens:
        shapes = _shapes(recipe, context, progress)
        if sparsity:
            sparsities = narrowed_from(depths, sparsity, lambda depth, share: shapes.shape(depth, share).speedup)
        if free_tokens:
            _advise_fewer_tokens(context, shapes, depths[-1])
    return front_steps(depths, whole, sparsities, recipe.recovery.steps)


def _shapes(recipe: Recipe, context: RunContext, progress: Progress | None) -> Shapes:
    """The shapes with their speeds on the first workload, by a few timings of small cuts."""
    positions = positions_of(context.model.config, context.model, context.adapter.ahead)
    workload = fit_workload(recipe.measure.workloads[0], positions)
    return shapes_for_run(context, recipe.model_copy(update={"target": TargetSection(workload=workload)}), progress)


def _advise_fewer_tokens(context: RunContext, shapes: Shapes, depth: int) -> None:
    """Say what the last step would gain without the tokens that no training row uses, if that is worth saying."""
    try:
        fewer = vocabulary_plan(context, VocabularySection(corpus="task"), shapes.graph)
    except PrunekitError:  # whose tokens cannot be told apart
        return
    before = shapes.shape(depth, 0.0).speedup
    after = replace(shapes, base=fewer).shape(depth, 0.0).speedup
    if after >= WORTH_SAYING * before:
        log.info(
            "Without the tokens that no training row uses (--vocabulary task) the last step would be %.1f times as "
            "fast as the dense model, by prediction, instead of %.1f times; texts of other kinds may need them.",
            after,
            before,
        )
