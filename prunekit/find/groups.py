"""What can be pruned: units, and the groups in which they must be cut together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What one unit of a group is."""

    HEADS = "heads"
    FFN = "ffn"
    HIDDEN = "hidden"
    LAYERS = "layers"
    VOCABULARY = "vocabulary"


class Role(StrEnum):
    """What the units of a group do in their layer."""

    SELF = "self"
    CROSS = "cross"
    FFN = "ffn"


@dataclass(frozen=True)
class Slice:
    """One dimension of one parameter that a group's units divide among themselves.

    The unit at position p owns the indices ``p * span`` to ``(p + 1) * span - 1``. Example: 12 heads of size 64 share
    dimension 0 of ``q.weight`` (768 rows) with span 64. A gated FFN that holds gate and value in one matrix has two
    `blocks`, one after the other: its unit owns row p of each.
    """

    parameter: str
    dim: int
    span: int = 1
    blocks: int = 1

    @property
    def width(self) -> int:
        """How many indices one unit owns."""
        return self.span * self.blocks


@dataclass(frozen=True)
class PruningGroup:
    """Units of one kind in one place, with everything that must be sliced together.

    Example: the 12 attention heads of encoder layer 3 of a T5-base are the group ``encoder.3.self.heads``: kind
    ``heads``, ids 0..11, and four slices of span 64: rows of ``q``, ``k`` and ``v``, columns of ``o``. The layers of a
    stack are a group too: its units own whole parameters (`covers`) instead of slices. The group above has the `stack`
    ``encoder``, the `layer` 3 and the `role` ``self``; groups that no layer owns have neither layer nor role.

    `ids` are the units' numbers in the original model. They equal the positions until a model has been cut: a model
    that kept heads 0, 2 and 3 has ids (0, 2, 3) at positions 0, 1 and 2.

    A group may lie `within` another: its units live only while those of the same number in the outer group do. The
    encoder's hidden dimensions lie within ``hidden``, those of the whole model, and `lookups` names the embeddings from
    which a narrower encoder gathers its columns. `constants` are modules that add to the stream what no gradient
    reaches, as sinusoidal positions: they keep their width, and their output is gathered. `streams` is how many hidden
    states a layer hands on.
    """

    name: str
    kind: Kind
    stack: str
    ids: tuple[int, ...]
    slices: tuple[Slice, ...] = ()
    covers: tuple[tuple[str, ...], ...] = ()
    path: str = ""
    layer: int | None = None
    role: Role | None = None
    prunable: bool = True
    within: str = ""
    lookups: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    streams: int = 1

    def __len__(self) -> int:
        return len(self.ids)

    def positions(self, kept: Iterable[int]) -> list[int]:
        """Where the units with the original numbers `kept` stand in the model at hand, ascending."""
        place = {unit: position for position, unit in enumerate(self.ids)}
        return [place[unit] for unit in sorted(kept)]

    def parameters(self) -> set[str]:
        """Every parameter that this group touches."""
        return {s.parameter for s in self.slices} | {name for unit in self.covers for name in unit}


def width_groups(groups: Iterable[PruningGroup], *stacks: str) -> list[PruningGroup]:
    """The groups of heads and FFN channels in some stacks that may be cut."""
    kinds = (Kind.HEADS, Kind.FFN)
    return [group for group in groups if group.stack in stacks and group.kind in kinds and group.prunable]


def layers_group(groups: Iterable[PruningGroup], stack: str) -> PruningGroup:
    """The group of the layers of a stack, ``encoder`` or ``decoder``."""
    return next(group for group in groups if group.kind is Kind.LAYERS and group.stack == stack)


def groups_by_role(groups: Iterable[PruningGroup]) -> Mapping[tuple[str, int, Role], PruningGroup]:
    """The groups inside layers, by stack, layer and role.

    Example: ``groups_by_role(groups)["decoder", 3, Role.CROSS]`` are the heads of a cross-attention.
    """
    return {(g.stack, g.layer, g.role): g for g in groups if g.layer is not None and g.role is not None}
