"""Which heads and FFN channels of the dense model stayed, layer by layer: small enough for a report, fit for a map."""

from collections.abc import Iterable

from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.report.sections import ReportSection, group_place

STRETCHES = 64
"""As many cells as a row of the map has; a layer with more units counts several of them in each."""


class PlaceSection(ReportSection):
    """The units of one place, in every layer of the dense model: how many there were, and which of them stayed.

    `kept` counts in up to 64 stretches of like length, so that heads are told one by one and channels by the dozen;
    None is a layer that went altogether. `layers` are the layers' numbers. Example: two layers of 4 heads, of which the
    first lost its second head and the other went, are ``layers=[0, 1], units=[4, 4], kept=[[1, 0, 1, 1], None]``.
    """

    layers: list[int]
    units: list[int]
    kept: list[list[int] | None]

    @property
    def left(self) -> int:
        """How many units stayed in all layers."""
        return sum(sum(layer) for layer in self.kept if layer)


class KeptSection(ReportSection):
    """The places of heads and of FFN channels by their names. Example: ``heads={"encoder.self": ...}``."""

    heads: dict[str, PlaceSection]
    ffn: dict[str, PlaceSection]

    @classmethod
    def of(cls, groups: Iterable[PruningGroup], plan: PruningPlan) -> "KeptSection":
        """What `plan` leaves of the dense model's groups."""
        dense = tuple(groups)
        left = {group.name: group.ids for group in groups_after(dense, plan)}
        return cls(heads=_places(dense, left, Kind.HEADS), ffn=_places(dense, left, Kind.FFN))


def _places(dense: Iterable[PruningGroup], left: dict[str, tuple[int, ...]], kind: Kind) -> dict[str, PlaceSection]:
    places: dict[str, list[PruningGroup]] = {}
    for group in dense:
        if group.kind is kind and group.layer is not None:
            places.setdefault(group_place(group), []).append(group)
    return {place: _place(groups, left) for place, groups in places.items()}


def _place(groups: Iterable[PruningGroup], left: dict[str, tuple[int, ...]]) -> PlaceSection:
    layers, units, kept = [], [], []
    for group in sorted(groups, key=lambda group: group.layer or 0):
        stayed = left.get(group.name)
        layers.append(group.layer or 0)
        units.append(len(group))
        kept.append(None if stayed is None else stretches(len(group), group.positions(stayed)))
    return PlaceSection(layers=layers, units=units, kept=kept)


def stretches(units: int, positions: Iterable[int]) -> list[int]:
    """How many of these positions lie in each stretch of so many units. Example: of 96 units, 2, 1, 2, 1, ... do."""
    counts = [0] * min(STRETCHES, units)
    for position in positions:
        counts[position * len(counts) // units] += 1
    return counts
