"""Groups as data: where units stand, which parameters they touch, and which groups are found by stack and role."""

import pytest

from prunekit.find.groups import Kind, PruningGroup, Role, Slice, groups_by_role, layers_group, width_groups

ROWS = Slice("encoder.0.q", 0, span=8)
COLUMNS = Slice("encoder.0.o", 1, span=8)
SELF = PruningGroup("encoder.0.self.heads", Kind.HEADS, "encoder", (0, 2, 3), (ROWS, COLUMNS), layer=0, role=Role.SELF)
FFN = PruningGroup("encoder.0.ffn", Kind.FFN, "encoder", (0, 1), layer=0, role=Role.FFN, prunable=False)
CROSS = PruningGroup("decoder.1.cross.heads", Kind.HEADS, "decoder", (0,), layer=1, role=Role.CROSS)
ENCODER = PruningGroup("encoder.layers", Kind.LAYERS, "encoder", (0,), covers=(("encoder.0.q", "encoder.0.o"),))
DECODER = PruningGroup("decoder.layers", Kind.LAYERS, "decoder", (0, 1))
HIDDEN = PruningGroup("encoder.hidden", Kind.HIDDEN, "encoder", (0, 1))
GROUPS = (SELF, FFN, CROSS, ENCODER, DECODER, HIDDEN)


def test_a_unit_owns_its_span_in_each_block():
    assert ROWS.width == 8
    assert Slice("wi", 0, span=1, blocks=2).width == 2


def test_units_are_found_by_their_original_numbers():
    assert len(SELF) == 3
    assert SELF.positions((3, 0)) == [0, 2]
    with pytest.raises(KeyError):
        SELF.positions((1,))


def test_a_group_touches_what_it_slices_and_what_its_units_own():
    assert SELF.parameters() == ENCODER.parameters() == {"encoder.0.q", "encoder.0.o"}


def test_groups_of_heads_and_channels_that_may_be_cut():
    assert width_groups(GROUPS, "encoder") == [SELF]
    assert width_groups(GROUPS, "encoder", "decoder") == [SELF, CROSS]


def test_groups_by_stack_layer_and_role():
    found = groups_by_role(GROUPS)
    assert found == {("encoder", 0, "self"): SELF, ("encoder", 0, "ffn"): FFN, ("decoder", 1, "cross"): CROSS}
    assert layers_group(GROUPS, "decoder") is DECODER


def test_every_group_inside_a_layer_of_a_model_has_its_role(every):
    groups = every.graph.groups
    found = groups_by_role(groups)
    assert len(found) == sum(group.layer is not None for group in groups) == 3 * 2 + 4 * 3
    for (stack, layer, role), group in found.items():
        assert group.name == f"{stack}.{layer}.{role}" + (".heads" if role is not Role.FFN else "")
