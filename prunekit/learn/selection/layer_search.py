"""Layer search: layers by a formula, by number, or by the dev loss without the others."""

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
"""Up to this many choices of layers are all tried; among more, a beam search looks for the best."""
BEAM = 3
"""The choices that the beam search continues with after each removed layer."""

LayerChoice = tuple[int, ...]
"""The numbers of the layers to keep."""


def checked_layers(problem: "Problem", stack: str, wanted: int | Sequence[int]) -> LayerChoice:
    """The layer numbers that an option asks for: a number of evenly spaced ones, or an explicit list.

    Raises `PrunekitError` for layers that the stack does not have.
    """
    ids = problem.layers(stack).ids
    if isinstance(wanted, int):
        if not 1 <= wanted <= len(ids):
            raise PrunekitError(
                f"{stack}_layers is {wanted}, but the {stack} has {len(ids)} layers; choose between 1 and {len(ids)}."
            )
        return tuple(ids[position] for position in evenly_spaced(len(ids), wanted))
    if not wanted:
        raise PrunekitError(f"{stack}_layers is empty; name at least one of the layers {list(ids)}.")
    unknown = sorted(set(wanted) - set(ids))
    if unknown:
        raise PrunekitError(f"{stack}_layers names layer {unknown[0]}; the {stack} has the layers {list(ids)}.")
    return tuple(sorted(set(wanted)))


def layers_by_loss(problem: "Problem", bench: "Bench", stack: str, count: int) -> LayerChoice:
    """The `count` layers of a stack that give the lowest dev loss when all others are removed, before any training.

    Up to 300 choices are all tried. Among more, layers are removed one at a time, and the search continues with the
    three best choices of each size. Example: 2 of 12 layers are 66 choices; 3 of 24 would be 2,024, of which the search
    tries about 800.
    """
    group = problem.layers(stack)
    checked_layers(problem, stack, count)
    return search_layers(
        group.ids, count, lambda some: bench.losses([PruningPlan({group.name: kept}) for kept in some])
    )


def search_layers(
    ids: LayerChoice, count: int, losses: Callable[[Sequence[LayerChoice]], Sequence[float]]
) -> LayerChoice:
    """The choice of `count` of `ids` with the lowest loss, or the best that a beam search finds."""

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
