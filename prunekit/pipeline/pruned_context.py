"""The context of a pruned model, made from the dense one's: fewer tokens, or the whole model that a run left."""

from collections.abc import Sequence
from dataclasses import replace

from prunekit.cut.checkpoint import plan_of
from prunekit.cut.token_ids import Renumbering, vocabulary_group
from prunekit.find.graph import DependencyGraph
from prunekit.find.plan import PruningPlan
from prunekit.loading.context import RunContext
from prunekit.pipeline.start import Start
from prunekit.recipe import Recipe
from prunekit.vocabulary.pruning import prune_processor


def with_fewer_tokens(context: RunContext, graph: DependencyGraph, plan: PruningPlan, ids: Sequence[int]) -> RunContext:
    """The context whose processor knows only the tokens `ids`, and whose settings name them by their new numbers."""
    renumbered = Renumbering.of(graph.groups, plan)
    generation = context.generation if renumbered is None else renumbered.renumber_settings(context.generation)
    return replace(context, processor=prune_processor(context.processor, list(ids)), generation=generation)


def context_after(start: Start, dense: RunContext, recipe: Recipe) -> RunContext:
    """The model that a run left, in the context of its dense one: it is asked as the run itself asked it."""
    graph = dense.graph.after(plan_of(dense.model) or PruningPlan())
    tokens = vocabulary_group(graph.groups)
    if tokens is not None and len(start.plan.of(tokens)) < len(tokens):
        dense = with_fewer_tokens(dense, graph, start.plan, tokens.positions(start.plan.of(tokens)))
    return replace(dense, model=start.open_model(dense, recipe))
