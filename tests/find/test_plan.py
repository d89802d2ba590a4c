"""Plans as data: composing, checking, reading, and what the groups of a model become by them."""

import pytest
from hypothesis import given, settings

from prunekit.find.groups import Kind, PruningGroup, Slice
from prunekit.find.plan import PlanError, PruningPlan, current_name, groups_after
from prunekit.testing import plans

HEADS = PruningGroup(
    "decoder.2.self.heads", Kind.HEADS, "decoder", (0, 1, 2, 3), (Slice("d.2.q", 0, 8), Slice("d.2.o", 1, 8)), layer=2
)
LAYERS = PruningGroup(
    "decoder.layers", Kind.LAYERS, "decoder", (0, 1, 2), covers=(("d.0.q",), ("d.1.q",), ("d.2.q", "d.2.o")), path="d"
)
HIDDEN = PruningGroup("hidden", Kind.HIDDEN, "", (0, 1), (Slice("e", 1),))
INNER = PruningGroup("encoder.hidden", Kind.HIDDEN, "encoder", (0, 1), (Slice("e.q", 1),), within="hidden")
WORDS = PruningGroup("vocabulary", Kind.VOCABULARY, "", (0, 1), (Slice("e", 0),), prunable=False)
GROUPS = (HEADS, LAYERS, HIDDEN, INNER, WORDS)

any_plan = plans(GROUPS)
quick = settings(derandomize=True, deadline=None, max_examples=30)


def test_order_and_repetition_do_not_matter():
    one = PruningPlan({"b": (3, 1, 1), "a": (0,)})
    other = PruningPlan({"a": (0,), "b": (1, 3)})
    assert one == other
    assert hash(one) == hash(other)
    assert one.to_json() == other.to_json()


@quick
@given(any_plan, any_plan, any_plan)
def test_plans_compose_as_sets_do(a, b, c):
    assert a.then(b) == b.then(a)
    assert a.then(b).then(c) == a.then(b.then(c))
    assert a.then(a) == a
    assert a.then(PruningPlan()) == a


@quick
@given(any_plan)
def test_a_plan_survives_its_file(tmp_path_factory, plan):
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    path.write_text(plan.to_json())
    assert PruningPlan.load(path) == plan


@quick
@given(any_plan)
def test_a_plan_survives_as_ranges(plan):
    assert PruningPlan.from_ranges(plan.to_ranges()) == plan


def test_ranges_are_short():
    plan = PruningPlan({"a": (0, 1, 2, 5, 7, 8), "b": (), "c": (4,)})
    assert plan.to_ranges() == {"a": "0-2 5 7-8", "b": "", "c": "4"}


@pytest.mark.parametrize("data", [None, [], {"a": [1, 2]}, {"a": "1-x"}, {"a": "-3"}, {"a": "1,2"}])
def test_what_is_no_plan_in_ranges(data):
    with pytest.raises(PlanError, match="A plan in ranges looks like"):
        PruningPlan.from_ranges(data)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not valid JSON"),
        ("[]", "A plan looks like"),
        ('{"kept": {"a": 3}}', "A plan looks like"),
        ('{"kept": {"a": [true]}}', "A plan looks like"),
        ('{"kept": {"a": ["1"]}}', "A plan looks like"),
    ],
)
def test_a_file_that_holds_no_plan(tmp_path, text, sentence):
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(PlanError, match=sentence):
        PruningPlan.load(path)


def test_a_plan_that_is_not_there(tmp_path):
    with pytest.raises(PlanError, match="cannot be read: No such file"):
        PruningPlan.load(tmp_path / "plan.json")


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [
        ({"encoder.9.ffn": (0,)}, "names the group 'encoder.9.ffn', which this model does not have"),
        ({"decoder.2.self.heads": (0, 4)}, "keeps unit 4 of 'decoder.2.self.heads', which has only units 0 to 3"),
        ({"decoder.layers": ()}, "leaves nothing of 'decoder.layers'; keep at least one of its 3 units"),
        ({"vocabulary": (0,)}, "prunes 'vocabulary', whose vocabulary cannot be cut"),
        ({"hidden": (0,), "encoder.hidden": (1,)}, "leaves nothing of 'encoder.hidden'; keep at least one"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused_in_one_sentence(kept, sentence):
    with pytest.raises(PlanError, match=sentence):
        PruningPlan(kept).validate(GROUPS)


@quick
@given(any_plan)
def test_a_random_plan_fits(plan):
    plan.validate(GROUPS)


def test_attentions_may_lose_every_head():
    PruningPlan({"decoder.2.self.heads": (), "vocabulary": (0, 1)}).validate(GROUPS)


def test_layers_are_renumbered():
    plan = PruningPlan({"decoder.layers": (0, 2)})
    assert [current_name(f"d.{n}.q", GROUPS, plan) for n in range(3)] == ["d.0.q", None, "d.1.q"]
    assert current_name("e", GROUPS, plan) == "e"
    heads, layers, *_ = groups_after(GROUPS, plan)
    assert heads.slices == (Slice("d.1.q", 0, 8), Slice("d.1.o", 1, 8))
    assert (layers.ids, layers.covers) == ((0, 2), (("d.0.q",), ("d.1.q", "d.1.o")))


def test_units_keep_their_numbers():
    heads, *_ = groups_after(GROUPS, PruningPlan({"decoder.2.self.heads": (0, 2, 3)}))
    assert heads.ids == (0, 2, 3)
    assert heads.positions((3, 0)) == [0, 2]


def test_groups_in_dropped_layers_are_gone():
    left = groups_after(GROUPS, PruningPlan({"decoder.layers": (0,)}))
    assert [group.name for group in left] == ["decoder.layers", "hidden", "encoder.hidden", "vocabulary"]


def test_what_leaves_a_group_leaves_the_groups_within_it():
    plan = PruningPlan({"hidden": (1,)})
    assert plan.of(INNER) == (1,)
    assert PruningPlan({"encoder.hidden": (1,)}).of(HIDDEN) == (0, 1)
    assert [group.ids for group in groups_after(GROUPS, plan) if group.kind is Kind.HIDDEN] == [(1,), (1,)]
