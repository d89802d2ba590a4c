"""Random plans: always valid, and between them everything that a plan may be."""

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from prunekit import Kind, PruningPlan
from prunekit.testing import plans, unit_choices

quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(data=st.data())
def test_every_plan_is_valid_and_keeps_layers_and_vocabulary(case, data):
    groups = case("t5").graph.groups
    plan = data.draw(plans(groups))
    plan.validate(groups)
    kinds = {group.name: group.kind for group in groups}
    assert Kind.VOCABULARY not in {kinds[name] for name in plan.kept}
    assert all(plan.kept[name] for name in plan.kept if kinds[name] in (Kind.LAYERS, Kind.HIDDEN))


def first_of(case, kind):
    return next(group for group in case("t5").graph.groups if group.kind is kind)


@pytest.mark.parametrize("kind", [Kind.HEADS, Kind.FFN])
def test_sub_layers_may_lose_all_of_their_units_or_none(case, kind):
    group = first_of(case, kind)
    assert find(unit_choices(group), lambda kept: not kept) == ()
    assert find(unit_choices(group), lambda kept: len(kept) == len(group)) == group.ids
    assert 0 < len(find(unit_choices(group), lambda kept: 0 < len(kept) < len(group))) < len(group)


def test_the_first_layer_may_be_dropped_but_never_all_of_them(case):
    group = first_of(case, Kind.LAYERS)
    assert find(unit_choices(group), lambda kept: group.ids[0] not in kept)

    @quick
    @given(kept=unit_choices(group))
    def never_empty(kept):
        assert kept

    never_empty()


def test_a_plan_of_no_groups_is_the_empty_plan():
    assert find(plans([]), lambda plan: True) == PruningPlan({})
