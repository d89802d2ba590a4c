"""Choosing layers: by a formula, by name, or by what the loss says of each choice."""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

from prunekit.errors import PrunekitError
from prunekit.find.plan import PruningPlan
from prunekit.learn.selection.size_search import evenly_spaced

if TYPE_CHECKING:
    from prunekit.learn.bench import Bench
    from prunekit.learn.strategy import Problem

TRIALS = 300
"""As many choices of layers are all tried; of more, the best are searched for."""
BEAM = 3
"""Choices that the search goes on with after each layer that it drops."""

LayerChoice = tuple[int, ...]


def checked_layers(problem: "Problem", stack: str, wanted: int | Sequence[int]) -> LayerChoice:
    """The layer numbers that an option asks for: that many, evenly spaced, or an explicit list."""
    ids = problem.layers(stack).ids
    if isinstance(wanted, int):
        if not 1 <= wanted <= len(ids):
            raise PrunekitError(
                f"{stack}_layers is {wanted}, but the {stack} has {len(ids)} layers; choose between 1 and {len(ids)}."
            )
        return tuple(ids[position] for position in evenly_spaced(len(ids), wanted))
    if not wanted:
        raise PrunekitError(f"{stack}_layers is empty; name at least one of the layers {list(ids)}.")
    if unknown := sorted(set(wanted) - set(ids)):
        raise PrunekitError(f"{stack}_layers names layer {unknown[0]}; the {stack} has the layers {list(ids)}.")
    return tuple(sorted(set(wanted)))


def layers_by_loss(problem: "Problem", bench: "Bench", stack: str, count: int) -> LayerChoice:
    """The `count` layers of a stack without whose fellows the dev loss is least, before any training.

    All choices are tried where they are at most 300. Otherwise layers are dropped one at a time, and the search goes on
    with the three best choices of each size. Example: 2 of 12 layers are 66 choices; 3 of 24 would be 2,024, of which
    the search looks at about 800.
    """
    group = problem.layers(stack)
    checked_layers(problem, stack, count)
    return search(group.ids, count, lambda some: bench.losses([PruningPlan({group.name: kept}) for kept in some]))


def search(ids: LayerChoice, count: int, losses: Callable[[Sequence[LayerChoice]], Sequence[float]]) -> LayerChoice:
    """The choice of `count` of `ids` with the least loss, or the best that a beam search finds."""

    def best(choices: Sequence[LayerChoice], number: int) -> list[LayerChoice]:
        return [choice for _, choice in sorted(zip(losses(choices), choices, strict=True))[:number]]

    if count == len(ids):
        return ids
    if comb(len(ids), count) <= TRIALS:
        return best(list(combinations(ids, count)), 1)[0]
    beam = [ids]
    for size in range(len(ids) - 1, count - 1, -1):
        beam = best(sorted({fewer for kept in beam for fewer in combinations(kept, size)}), BEAM)
    return beam[0]
