"""The plan: which units of each group are kept, and what the groups become by it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind, PruningGroup


class PlanError(PrunekitError):
    """A plan that does not fit the groups it is used with."""


@dataclass(frozen=True)
class PruningPlan:
    """Which units are kept, per group, in the original model's numbers; a group that is not named is kept whole.

    Example: ``PruningPlan({"decoder.layers": (0, 11), "encoder.0.self.heads": (1, 3)})``. Order never matters, equal
    plans compare equal, and plans compose by `then`.
    """

    kept: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tidy = {name: tuple(sorted(set(ids))) for name, ids in sorted(self.kept.items())}
        object.__setattr__(self, "kept", tidy)

    def __hash__(self) -> int:
        return hash(tuple(self.kept.items()))

    def of(self, group: PruningGroup) -> tuple[int, ...]:
        """The kept units of `group`, by their numbers; what the group around it drops is dropped here too."""
        ids = self.kept.get(group.name, group.ids)
        outer = self.kept.get(group.within)
        return ids if outer is None else tuple(unit for unit in ids if unit in set(outer))

    def then(self, later: "PruningPlan") -> "PruningPlan":
        """The plan that keeps what both keep; `later` may be written for the original model, or for this plan's."""
        both = dict(self.kept)
        for name, ids in later.kept.items():
            both[name] = tuple(set(ids) & set(both.get(name, ids)))
        return PruningPlan(both)

    def validate(self, groups: Iterable[PruningGroup]) -> None:
        """Raise `PlanError` in one sentence unless every group is known and every number exists in it.

        A stack must keep at least one layer; a group of heads or FFN channels may lose all of its units.
        """
        known = {group.name: group for group in groups}
        for name, ids in self.kept.items():
            if name not in known:
                raise PlanError(
                    f"The plan names the group {name!r}, which this model does not have "
                    f"(its groups are like {', '.join(list(known)[:3])}); is it a plan for another model?"
                )
            group = known[name]
            if not group.prunable and ids != group.ids:
                raise PlanError(f"The plan prunes {name!r}, whose {group.kind} cannot be cut; leave it out.")
            unknown = sorted(set(ids) - set(group.ids))
            if unknown:
                raise PlanError(
                    f"The plan keeps unit {unknown[0]} of {name!r}, which has only {_units_text(group.ids)}; "
                    "is it a plan for another model?"
                )
        for group in known.values():
            if group.ids and not self.of(group) and group.kind not in (Kind.HEADS, Kind.FFN):
                raise PlanError(
                    f"The plan leaves nothing of {group.name!r}; keep at least one of its {len(group)} units."
                )

    def to_json(self) -> str:
        """One group a line, sorted by name."""
        lines = [f"    {json.dumps(name)}: {json.dumps(list(ids))}" for name, ids in self.kept.items()]
        return '{\n  "kept": {\n' + ",\n".join(lines) + "\n  }\n}\n"

    @classmethod
    def from_dict(cls, data: Any) -> "PruningPlan":
        """The plan in parsed JSON; raises `PlanError` where the shape is not ``{"kept": {group: [unit, ...]}}``."""
        kept = data.get("kept") if isinstance(data, dict) else None
        well_formed = isinstance(kept, dict) and all(
            isinstance(ids, list) and all(isinstance(unit, int) and not isinstance(unit, bool) for unit in ids)
            for ids in kept.values()
        )
        if not well_formed or kept is None:
            raise PlanError('A plan looks like {"kept": {"decoder.layers": [0, 11], ...}}; this one does not.')
        return cls({name: tuple(ids) for name, ids in kept.items()})

    def to_ranges(self) -> dict[str, str]:
        """Each group's units in text that is cheap to copy: ``{"encoder.0.ffn": "0-5 8"}`` for 0 to 5 and 8."""
        return {name: " ".join(_ranges(ids)) for name, ids in self.kept.items()}

    @classmethod
    def from_ranges(cls, data: Any) -> "PruningPlan":
        """The plan behind such texts; raises `PlanError` where they are none."""
        try:
            pairs = {name: [part.split("-") for part in text.split()] for name, text in data.items()}
            kept = {name: [range(int(of[0]), int(of[-1]) + 1) for of in each] for name, each in pairs.items()}
        except (AttributeError, ValueError) as error:
            raise PlanError(
                'A plan in ranges looks like {"encoder.0.ffn": "0-5 8", ...}; this one does not.'
            ) from error
        return cls({name: tuple(unit for units in each for unit in units) for name, each in kept.items()})

    @classmethod
    def load(cls, path: Path | str) -> "PruningPlan":
        """Read a plan's JSON file."""
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise PlanError(f"The plan {str(path)!r} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise PlanError(f"The plan {str(path)!r} is not valid JSON: {error}.") from error


def _ranges(ids: Sequence[int]) -> Iterator[str]:
    """Neighbouring numbers of ascending ones together: ``3-7``, ``10``."""
    for _, run in groupby(enumerate(ids), key=lambda each: each[1] - each[0]):
        (_, first), *others = run
        yield f"{first}-{others[-1][1]}" if others else str(first)


def _units_text(ids: Sequence[int]) -> str:
    return f"units {ids[0]} to {ids[-1]}" if len(ids) > 1 and ids[-1] - ids[0] == len(ids) - 1 else f"units {list(ids)}"


def current_name(parameter: str, groups: Iterable[PruningGroup], plan: PruningPlan) -> str | None:
    """The name of an original parameter once `plan` has dropped layers; None if its own layer is dropped.

    Example: with decoder layers 0 and 11 kept, ``decoder.block.11.x`` becomes ``decoder.block.1.x``.
    """
    for group in groups:
        if group.kind is Kind.LAYERS and parameter.startswith(group.path + "."):
            number, rest = parameter[len(group.path) + 1 :].split(".", 1)
            kept = plan.of(group)
            return f"{group.path}.{kept.index(int(number))}.{rest}" if int(number) in kept else None
    return parameter


def groups_after(groups: Sequence[PruningGroup], plan: PruningPlan) -> tuple[PruningGroup, ...]:
    """The groups as they stand in a model that `plan` was applied to: fewer ids, current parameter names.

    Groups inside dropped layers are left out.
    """
    layers = [group for group in groups if group.kind is Kind.LAYERS]

    def renamed(group: PruningGroup) -> PruningGroup | None:
        slices = []
        for piece in group.slices:
            name = current_name(piece.parameter, layers, plan)
            if name is not None:
                slices.append(replace(piece, parameter=name))
        if group.slices and not slices:
            return None
        kept = plan.of(group)
        covers = tuple(
            tuple(str(current_name(name, layers, plan)) for name in unit)
            for number, unit in zip(group.ids, group.covers, strict=False)
            if number in kept
        )
        return replace(group, ids=kept, slices=tuple(slices), covers=covers)

    return tuple(group for group in map(renamed, groups) if group is not None)
