"""Selection by size: evenly spaced layers, and units by score until a target size is met within one step."""

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
    """Units that are removed together: one head, or `round_to` channels or dimensions, so that widths stay rounded.

    `order` counts the chunks of a group from the weakest, `score` is the mean of the units, and `share` the part of the
    group that is removed once the chunk is. Example: the second chunk of 8 of 20 channels has order 1 and share 0.6.
    """

    group: str
    order: int
    units: tuple[int, ...]
    score: float
    share: float


def chunks(group: PruningGroup, scores: Tensor, round_to: int) -> list[Chunk]:
    """The group's units from weakest to strongest, in chunks after each of which the width is a multiple of `round_to`.

    `scores` has one value per unit, in the order of the ids. Example: 20 channels in steps of 8 are chunks of 4, 8 and
    8. Of hidden dimensions the last chunk is left out, since it is always kept.
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
    """The parameters of a model with a given number of units per group."""

    def counted(self, counts: Mapping[str, int]) -> int:
        """The parameters; groups that `counts` does not name are whole."""


def by_score(chunk: Chunk) -> tuple[float, ...]:
    """Global competition: the weakest chunk of all is removed first."""
    return (chunk.score, chunk.order)


def by_share(chunk: Chunk) -> tuple[float, ...]:
    """The same share everywhere: the chunk that leaves the largest share of its group is removed first."""
    return (chunk.share, chunk.score)


def prune_to_size(
    groups: Sequence[PruningGroup],
    scores: Mapping[str, Tensor],
    size: SizeFunction,
    max_parameters: float,
    round_to: int = 1,
    priority: Callable[[Chunk], tuple[float, ...]] = by_score,
) -> PruningPlan:
    """The plan that removes chunks in order of priority until `size` is at most `max_parameters`, and no more.

    The target is met from above: after the greedy pass every chunk that can be restored without missing it is, in
    reverse order of priority, so the overshoot is less than any one chunk that could be restored. A chunk is never
    removed before a weaker one of its own group.
    """
    candidates = [chunk for group in groups for chunk in chunks(group, scores[group.name], round_to)]
    counts = {group.name: len(group) for group in groups}
    removed: dict[str, list[Chunk]] = {group.name: [] for group in groups}
    for chunk in _in_group_order(sorted(candidates, key=lambda chunk: (priority(chunk), chunk.group))):
        if size.counted(counts) <= max_parameters:
            break
        counts[chunk.group] -= len(chunk.units)
        removed[chunk.group].append(chunk)
    _restore(removed, counts, size, max_parameters, priority)
    dropped = {name: {unit for chunk in parts for unit in chunk.units} for name, parts in removed.items()}
    return PruningPlan({group.name: tuple(set(group.ids) - dropped[group.name]) for group in groups})


def _restore(
    removed: dict[str, list[Chunk]],
    counts: dict[str, int],
    size: SizeFunction,
    max_parameters: float,
    priority: Callable[[Chunk], tuple[float, ...]],
) -> None:
    """Restore removed chunks, the one of highest priority first, as long as `size` stays within `max_parameters`.

    Only the last removed chunk of each group can be restored.
    """
    while True:
        last = sorted((parts[-1] for parts in removed.values() if parts), key=priority, reverse=True)
        fitting = (
            chunk
            for chunk in last
            if size.counted({**counts, chunk.group: counts[chunk.group] + len(chunk.units)}) <= max_parameters
        )
        restored = next(fitting, None)
        if restored is None:
            return
        counts[restored.group] += len(restored.units)
        removed[restored.group].pop()


def _in_group_order(queue: list[Chunk]) -> list[Chunk]:
    """The queue with each group's chunks in their own order, at the positions that the group holds in the queue."""
    waiting: dict[str, deque[Chunk]] = {}
    for chunk in sorted(queue, key=lambda chunk: chunk.order):
        waiting.setdefault(chunk.group, deque()).append(chunk)
    return [waiting[chunk.group].popleft() for chunk in queue]


def prune_to_size_uniform(
    groups: Sequence[PruningGroup],
    scores: Mapping[str, Tensor],
    size: SizeFunction,
    max_parameters: float,
    round_to: int = 1,
) -> PruningPlan:
    """`prune_to_size` that removes the same share of every group, up to rounding; scores decide only within a group."""
    return prune_to_size(groups, scores, size, max_parameters, round_to, priority=by_share)
