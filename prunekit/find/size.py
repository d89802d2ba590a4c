"""How large a model is as a function of what is kept: one polynomial for counts, expectations and costs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from prunekit.find.groups import PruningGroup
from prunekit.find.plan import PruningPlan

Factor = tuple[str, int]
"""A group's sum of keep-values (unit -1) or the keep-value of one of its units."""


class Size:
    """Parameters as a multilinear function of keep-values, from real tensor shapes.

    A parameter's size is the product of its dimensions, where a dimension that a group divides counts
    ``span * sum(keep)``, times the keep-value of the layer it lies in. Groups that slice the same tensor therefore
    multiply. 0/1 gives exact counts, probabilities give the expected size under independent gates, and `costs` per
    element turn the count into seconds or bytes.

    Example: ``q.weight`` of shape [768, 768] with 12 heads, 9.5 of them expected to be kept, counts 9.5 * 64 * 768.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        groups: Iterable[PruningGroup],
        costs: Mapping[str, float] | None = None,
    ):
        self.groups = {group.name: group for group in groups}
        self.terms: Counter[tuple[Factor, ...]] = Counter()
        divided = _divided_dimensions(self.groups.values())
        layers = {name: factor for group in self.groups.values() for name, factor in _layer_factors(group)}
        for name, shape in shapes.items():
            amount: Any = 1 if costs is None else costs[name]
            factors = [layers[name]] if name in layers else []
            for dim, length in enumerate(shape):
                group_name, width = divided.get((name, dim), ("", length))
                amount *= width
                factors += [(group_name, -1)] if group_name else []
            self.terms[tuple(sorted(factors))] += amount
        self.names = {name for term in self.terms for name, _ in term}

    def __call__(self, keep: Mapping[str, Any]) -> Any:
        """The size for keep-values per group: a sequence or tensor of one value per unit, in the order of the ids.

        Groups that `keep` does not name count as whole. Tensors give a differentiable scalar, numbers an exact count.
        """
        sums = {name: self._sum(name, keep) for name in self.names}
        total: Any = 0
        for factors, amount in self.terms.items():
            product: Any = amount
            for name, position in factors:
                product = product * (sums[name] if position < 0 else keep[name][position] if name in keep else 1)
            total = total + product
        return total

    def _sum(self, name: str, keep: Mapping[str, Any]) -> Any:
        """How much of a group is kept."""
        values = joint(self.groups[name], self.groups, keep)
        return len(self.groups[name]) if values is None else _total(values)

    def counted(self, counts: Mapping[str, int], layers: Mapping[str, Sequence[int]] | None = None) -> int:
        """The exact size with this many kept units per group of slices, and these 0/1 per layer; the others are whole.

        Counts do not tell which units are kept, so a group within another that is counted too has as many as
        the smaller of both.
        """
        return int(self({**(layers or {}), **{name: _Count(count) for name, count in counts.items()}}))

    def of(self, plan: PruningPlan) -> int:
        """The exact size that `plan` leaves; what a dropped layer holds counts nothing, whatever its groups keep."""
        return int(self(keep_values(self.groups.values(), plan)))

    @property
    def whole(self) -> int:
        """The size when everything is kept."""
        return int(self({}))


def keep_values(groups: Iterable[PruningGroup], plan: PruningPlan) -> dict[str, list[int]]:
    """0/1 per unit for every group that `plan` names."""
    return {group.name: _zeros_and_ones(group, set(plan.of(group))) for group in groups if group.name in plan.kept}


def _zeros_and_ones(group: PruningGroup, kept: set[int]) -> list[int]:
    return [int(unit in kept) for unit in group.ids]


def joint(group: PruningGroup, groups: Mapping[str, PruningGroup], keep: Mapping[str, Any]) -> Any:
    """The keep-values of a group's units, times those of the units they lie within; None where neither has any.

    A sequence or tensor of one value per unit, as in `keep`; the units of the outer group are matched by number.
    """
    own = keep.get(group.name)
    outer = keep.get(group.within)
    if outer is not None and len(group) < len(groups[group.within]):
        at = groups[group.within].positions(group.ids)
        outer = outer[at] if hasattr(outer, "sum") else [outer[position] for position in at]
    if own is None or outer is None:
        return outer if own is None else own
    return own * outer if hasattr(own, "sum") else [a * b for a, b in zip(own, outer, strict=True)]


def sparsity(size: Size, plan: PruningPlan) -> float:
    """The share of `size` that `plan` removes, 0 to 1; 0 where there was nothing."""
    return 1 - size.of(plan) / size.whole if size.whole else 0.0


def _divided_dimensions(groups: Iterable[PruningGroup]) -> dict[tuple[str, int], tuple[str, int]]:
    """The group that divides each dimension of a parameter, with how many indices a unit owns."""
    return {(piece.parameter, piece.dim): (group.name, piece.width) for group in groups for piece in group.slices}


def _layer_factors(group: PruningGroup) -> Iterator[tuple[str, Factor]]:
    """Each parameter that lies in a layer of a group, with the factor that stands for the layer."""
    for position, names in enumerate(group.covers):
        yield from ((name, (group.name, position)) for name in names)


class _Count(int):
    """Keep-values of which only the sum matters."""

    def sum(self) -> int:
        return int(self)

    def __mul__(self, other: int) -> "_Count":
        return _Count(min(self, other))

    def __getitem__(self, positions: list[int]) -> "_Count":
        return _Count(min(self, len(positions)))


def _total(values: Any) -> Any:
    return values.sum() if hasattr(values, "sum") else sum(values)
