"""Which heads and FFN channels of the dense model were kept, layer by layer: small enough for a report and its map."""

from collections.abc import Iterable

from prunekit._support.frozen import FrozenModel
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.report.sections import sublayer_name

MAX_STRETCHES = 64
"""The most counts a layer has; with more units, each counts several of them."""


class SublayerUnits(FrozenModel):
    """The units of one sublayer in every layer of the dense model: how many there were, and which were kept.

    `kept` holds counts in up to 64 stretches of equal length, so that heads are listed one by one and channels by the
    dozen; None is a dropped layer. `layers` are the layers' numbers. Example: two layers of 4 heads, of which the first
    lost its second head and the other was dropped, are ``layers=[0, 1], units=[4, 4], kept=[[1, 0, 1, 1], None]``.
    """

    layers: list[int]
    units: list[int]
    kept: list[list[int] | None]

    @property
    def total_kept(self) -> int:
        """How many units are kept in all layers."""
        return sum(sum(layer) for layer in self.kept if layer)


class KeptSection(FrozenModel):
    """The kept heads and FFN channels, by sublayer. Example: ``heads={"encoder.self": ...}``."""

    heads: dict[str, SublayerUnits]
    ffn: dict[str, SublayerUnits]

    @classmethod
    def of(cls, groups: Iterable[PruningGroup], plan: PruningPlan) -> "KeptSection":
        """Of the dense model's groups under `plan`."""
        dense = tuple(groups)
        kept = {group.name: group.ids for group in groups_after(dense, plan)}
        return cls(heads=_by_sublayer(dense, kept, Kind.HEADS), ffn=_by_sublayer(dense, kept, Kind.FFN))


def _by_sublayer(
    dense: Iterable[PruningGroup], kept: dict[str, tuple[int, ...]], kind: Kind
) -> dict[str, SublayerUnits]:
    sublayers: dict[str, list[PruningGroup]] = {}
    for group in dense:
        if group.kind is kind and group.layer is not None:
            sublayers.setdefault(sublayer_name(group), []).append(group)
    return {name: _units(groups, kept) for name, groups in sublayers.items()}


def _units(groups: Iterable[PruningGroup], kept: dict[str, tuple[int, ...]]) -> SublayerUnits:
    """Of one sublayer's groups, one a layer; `kept` has the kept ids of every group whose layer is kept."""
    ordered = sorted(groups, key=lambda group: group.layer or 0)
    counts = [
        stretches(len(group), group.positions(kept[group.name])) if group.name in kept else None for group in ordered
    ]
    return SublayerUnits(
        layers=[group.layer or 0 for group in ordered], units=[len(group) for group in ordered], kept=counts
    )


def stretches(units: int, positions: Iterable[int]) -> list[int]:
    """How many of these positions lie in each stretch of so many units. Example: of 96 units, 2, 1, 2, 1, ... do."""
    counts = [0] * min(MAX_STRETCHES, units)
    for position in positions:
        counts[position * len(counts) // units] += 1
    return counts
