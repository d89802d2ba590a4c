"""Choosing what stays: layers by an integer formula, units by score until a target is met exactly as defined."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan


def evenly_spaced(layers: int, kept: int) -> tuple[int, ...]:
    """`kept` of `layers` positions, first and last included: ``(layers - 1) * d // (kept - 1)`` (NASH, eq. for unif).

    Integer arithmetic throughout: 12 layers to 3 gives (0, 5, 11), 16 to 12 ends with 15, and one layer is the first.
    """
    if not 1 <= kept <= layers:
        raise PrunekitError(f"Cannot keep {kept} of {layers} layers; choose between 1 and {layers}.")
    return (0,) if kept == 1 else tuple((layers - 1) * d // (kept - 1) for d in range(kept))


@dataclass(frozen=True)
class Chunk:
    """Units that go together: one head, or `round_to` channels or dimensions, so that widths stay multiples of it."""

    group: str
    order: int
    units: tuple[int, ...]
    score: float
    share: float


def chunks(group: PruningGroup, scores: Tensor, round_to: int) -> list[Chunk]:
    """The group's units from weakest to strongest, in chunks after each of which the width is a multiple of `round_to`.

    `scores` has one value per unit, in the order of the ids. `share` is the part of the group that is gone once the
    chunk goes. Example: 20 channels in steps of 8 go as 4, 8 and 8; of hidden dimensions the last chunk always stays.
    """
    step = round_to if group.kind in (Kind.FFN, Kind.HIDDEN) else 1
    order = sorted(range(len(group)), key=lambda position: (float(scores[position]), -position))
    result: list[Chunk] = []
    start = 0
    while start < len(order):
        end = start + ((len(order) - start) % step or step)
        part = order[start:end]
        mean = sum(float(scores[position]) for position in part) / len(part)
        units = tuple(group.ids[position] for position in part)
        result.append(Chunk(group.name, len(result), units, mean, end / len(order)))
        start = end
    return result[:-1] if group.kind is Kind.HIDDEN else result


class SizeFunction(Protocol):
    """What the choice must know of a size: the parameters left with this many units per group."""

    def counted(self, counts: Mapping[str, int]) -> int:
        """Groups that are not named are whole."""


def by_score(chunk: Chunk) -> tuple[float, ...]:
    """Global competition: the weakest chunk of all goes first."""
    return (chunk.score, chunk.order)


def by_share(chunk: Chunk) -> tuple[float, ...]:
    """The same share everywhere: the chunk after which least of its group is gone goes first."""
    return (chunk.share, chunk.score)


def prune_to_size(
    groups: Sequence[PruningGroup],
    scores: Mapping[str, Tensor],
    size: SizeFunction,
    max_parameters: float,
    round_to: int = 1,
    priority: Callable[[Chunk], tuple[float, ...]] = by_score,
) -> PruningPlan:
    """The plan that drops chunks in order of priority until `size` is at most `max_parameters`, and no more.

    The target is met from above: after the greedy pass every chunk that can come back without missing it does, in the
    reverse order of priority, so that what is removed too much is less than any one chunk that could return. A chunk
    never goes before a weaker one of its own group.
    """
    order = _in_group_order(
        sorted((c for g in groups for c in chunks(g, scores[g.name], round_to)), key=lambda c: (priority(c), c.group))
    )
    counts = {group.name: len(group) for group in groups}
    gone: dict[str, list[Chunk]] = {group.name: [] for group in groups}
    for chunk in order:
        if size.counted(counts) <= max_parameters:
            break
        counts[chunk.group] -= len(chunk.units)
        gone[chunk.group].append(chunk)
    while back := _returnable(gone, counts, size, max_parameters, priority):
        counts[back.group] += len(back.units)
        gone[back.group].pop()
    dropped = {name: {unit for chunk in parts for unit in chunk.units} for name, parts in gone.items()}
    return PruningPlan({group.name: tuple(set(group.ids) - dropped[group.name]) for group in groups})


def _returnable(
    gone: Mapping[str, list[Chunk]],
    counts: Mapping[str, int],
    size: SizeFunction,
    max_parameters: float,
    priority: Callable[[Chunk], tuple[float, ...]],
) -> Chunk | None:
    """The chunk of least priority, among the last ones to go of each group, that fits under `max_parameters` again."""
    last = sorted((parts[-1] for parts in gone.values() if parts), key=priority, reverse=True)
    for chunk in last:
        if size.counted({**counts, chunk.group: counts[chunk.group] + len(chunk.units)}) <= max_parameters:
            return chunk
    return None


def _in_group_order(queue: list[Chunk]) -> list[Chunk]:
    """The queue with each group's chunks in their own order at the places that the group holds in it."""
    waiting: dict[str, deque[Chunk]] = {}
    for chunk in sorted(queue, key=lambda c: c.order):
        waiting.setdefault(chunk.group, deque()).append(chunk)
    return [waiting[chunk.group].popleft() for chunk in queue]


def prune_to_size_uniform(
    groups: Sequence[PruningGroup],
    scores: Mapping[str, Tensor],
    size: SizeFunction,
    max_parameters: float,
    round_to: int = 1,
) -> PruningPlan:
    """`prune_to_size` with the same share of every group going, up to rounding; scores decide only within a group."""
    return prune_to_size(groups, scores, size, max_parameters, round_to, priority=by_share)
