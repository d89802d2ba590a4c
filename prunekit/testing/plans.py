"""Random plans for property tests: irregular widths, empty sub-layers, layer selections with and without the first."""

from collections.abc import Iterable

from hypothesis import strategies as st

from prunekit.conformance.model_under_test import fitting
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan


def unit_choices(group: PruningGroup) -> "st.SearchStrategy[tuple[int, ...]]":
    """Some of a group's units, perhaps all; perhaps none, unless the units are layers."""
    choice = st.lists(st.booleans(), min_size=len(group), max_size=len(group)).map(
        lambda keep: tuple(unit for unit, kept in zip(group.ids, keep, strict=True) if kept)
    )
    if group.kind in (Kind.LAYERS, Kind.HIDDEN):
        some = choice.map(lambda kept: kept or group.ids[-1:])
        return some if group.kind is Kind.LAYERS else st.one_of(some, st.just(group.ids))
    return st.one_of(choice, choice, choice, st.just(()), st.just(group.ids))


def plans(groups: Iterable[PruningGroup]) -> "st.SearchStrategy[PruningPlan]":
    """Plans for any groups; the vocabulary is not pruned. Example: ``@given(plan=plans(graph.groups))``."""
    groups = [group for group in groups if group.prunable and group.kind is not Kind.VOCABULARY]
    return st.fixed_dictionaries({group.name: unit_choices(group) for group in groups}).map(
        lambda kept: fitting(PruningPlan(kept), groups)
    )
