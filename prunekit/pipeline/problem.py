"""What a strategy is asked, for a model as earlier cuts left it."""

from typing import Any

from prunekit.find.graph import DependencyGraph
from prunekit.find.plan import PruningPlan
from prunekit.learn.strategy import Problem
from prunekit.recipe import Recipe


def problem_of(graph: DependencyGraph, recipe: Recipe, before: PruningPlan) -> Problem:
    """What a strategy is asked about the model that `before` left of the original behind `graph`."""

    def sizes(of: DependencyGraph) -> dict[str, Any]:
        stacks = {stack: of.prunable_size(stack) for stack in ("encoder", "decoder")}
        return {**stacks, "non_embedding": of.size_of("encoder", "decoder"), "total": of.size}

    live = graph.after(before)
    whole = {part: size.whole for part, size in sizes(graph).items()}
    return Problem(live.groups, sizes(live), whole, recipe.round_to, recipe.seed)
