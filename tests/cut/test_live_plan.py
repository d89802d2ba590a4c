"""Two plans and the groups of a model: what stands where before a cut and after it, by hand."""

from prunekit.cut.live_plan import LivePlan
from prunekit.find.groups import Kind, PruningGroup, Role, Slice
from prunekit.find.plan import PruningPlan

HEADS = [
    PruningGroup(
        f"decoder.{n}.self.heads", Kind.HEADS, "decoder", (0, 1, 2), (Slice(f"d.{n}.q", 0, 4),), layer=n, role=r
    )
    for n, r in enumerate([Role.SELF] * 4)
]
LAYERS = PruningGroup(
    "decoder.layers", Kind.LAYERS, "decoder", (0, 1, 2, 3), covers=tuple((f"d.{n}.q",) for n in range(4)), path="d"
)
LIVE = LivePlan(
    (*HEADS, LAYERS),
    PruningPlan({"decoder.layers": (0, 3), "decoder.3.self.heads": (2,)}),
    PruningPlan({"decoder.layers": (0, 2, 3), "decoder.0.self.heads": (0, 1)}),
)


def sizes(groups):
    return {group.name: group.ids for group in groups}


def test_the_live_model_is_what_the_first_plan_left():
    assert sizes(LIVE.live) == {
        "decoder.0.self.heads": (0, 1),
        "decoder.2.self.heads": (0, 1, 2),
        "decoder.3.self.heads": (0, 1, 2),
        "decoder.layers": (0, 2, 3),
    }
    assert [piece.parameter for group in LIVE.live for piece in group.slices] == ["d.0.q", "d.1.q", "d.2.q"]


def test_layers_are_dropped_first_at_the_old_widths():
    assert LIVE.positions("decoder") == [0, 2]
    assert sizes(LIVE.shallow)["decoder.3.self.heads"] == (0, 1, 2)
    assert [piece.parameter for group in LIVE.shallow for piece in group.slices] == ["d.0.q", "d.1.q"]


def test_the_cut_model_has_what_the_last_plan_keeps():
    assert LIVE.layers("decoder") == (0, 3)
    assert sizes(LIVE.final.values()) == {
        "decoder.0.self.heads": (0, 1, 2),
        "decoder.3.self.heads": (2,),
        "decoder.layers": (0, 3),
    }
    assert [original.name for original, _ in LIVE.narrowed()] == ["decoder.3.self.heads", "decoder.layers"]
    assert (LIVE.current_name("d.3.q"), LIVE.current_name("d.2.q"), LIVE.current_name("e")) == ("d.1.q", None, "e")
    assert LIVE.roles["decoder", 3, Role.SELF] is HEADS[3]
