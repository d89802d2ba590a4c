"""A plan as surgery carries it out: the groups of the original model, before the cut and after it, found once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from prunekit.find.groups import Kind, PruningGroup, Role, groups_by_role, layers_group
from prunekit.find.plan import PruningPlan, current_name, groups_after


@dataclass(frozen=True)
class LivePlan:
    """What to cut from a live model: it has been cut to `before` already and is to be cut to `plan`, which keeps less.

    `groups` are those of the original model, in whose numbers both plans are written. Example: of 12 layers `before`
    kept 0, 5 and 11, and `plan` keeps 0 and 11, which stand at the positions 0 and 2 of the live model.
    """

    groups: Sequence[PruningGroup]
    plan: PruningPlan
    before: PruningPlan = PruningPlan()  # noqa: RUF009 (a frozen value)

    @cached_property
    def live(self) -> tuple[PruningGroup, ...]:
        """The groups of the live model, before the cut."""
        return groups_after(self.groups, self.before)

    @cached_property
    def shallow(self) -> tuple[PruningGroup, ...]:
        """The groups of the live model without the layers that the plan drops, at its old widths."""
        layers = {group.name: self.plan.of(group) for group in self.groups if group.kind is Kind.LAYERS}
        return groups_after(self.groups, PruningPlan({**self.before.kept, **layers}))

    @cached_property
    def final(self) -> Mapping[str, PruningGroup]:
        """The groups of the cut model, by name."""
        return {group.name: group for group in groups_after(self.groups, self.plan)}

    @cached_property
    def roles(self) -> Mapping[tuple[str, int, Role], PruningGroup]:
        """The original groups inside layers, by stack, layer and role."""
        return groups_by_role(self.groups)

    def layers(self, stack: str) -> tuple[int, ...]:
        """The original numbers of the layers that a stack keeps."""
        return self.plan.of(layers_group(self.groups, stack))

    def positions(self, stack: str) -> list[int]:
        """Where these layers stand in the live model."""
        group = layers_group(self.groups, stack)
        live = self.before.of(group)
        return [live.index(number) for number in self.plan.of(group)]

    def narrowed(self) -> Iterator[tuple[PruningGroup, PruningGroup]]:
        """Each group that the cut model has fewer units of: the original one, and what is kept of it."""
        for original in self.groups:
            kept = self.final.get(original.name)
            if kept is not None and len(kept) < len(original):
                yield original, kept

    def current_name(self, parameter: str) -> str | None:
        """The name in the cut model of a parameter of the original one; None if its layer is dropped."""
        return current_name(parameter, self._stacks, self.plan)

    @cached_property
    def _stacks(self) -> list[PruningGroup]:
        return [group for group in self.groups if group.kind is Kind.LAYERS]
