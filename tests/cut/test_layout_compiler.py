"""The pieces of a layout, computed by hand: indices of units, and what an attention without heads needs."""

import pytest
import torch

from prunekit.cut.layout_compiler import compile_layout, unit_indices
from prunekit.cut.live_plan import LivePlan
from prunekit.cut.module_overrides import DropInput, EmptyAttention, GatherOutput, PadOutput, SliceSharedInput
from prunekit.find.groups import Slice
from prunekit.find.plan import PruningPlan


@pytest.mark.parametrize(
    ("piece", "kept", "units", "expected"),
    [
        (Slice("q", 0, span=2), (0, 2), 3, [0, 1, 4, 5]),
        (Slice("wi", 0, span=1, blocks=2), (1,), 4, [1, 5]),
        (Slice("qkv", 0, span=2, blocks=3), (1,), 2, [2, 3, 6, 7, 10, 11]),
        (Slice("q", 0, span=2), (), 3, []),
    ],
)
def test_the_indices_of_units_block_by_block(piece, kept, units, expected):
    found = unit_indices(piece, kept, units)
    assert found.tolist() == expected
    assert found.dtype == torch.long


def compiled(case, kept):
    return compile_layout(case.adapter, case.config, case.graph, LivePlan(case.graph.groups, PruningPlan(kept)))


def test_the_first_self_attention_without_heads_runs_with_a_head_of_zeros(case):
    layout = compiled(case("t5"), {"decoder.0.self.heads": ()})
    attention = "decoder.block.0.layer.0.SelfAttention"
    assert layout.shapes[f"{attention}.q.weight"] == [0, 32]
    assert layout.shapes[f"{attention}.o.weight"] == [32, 0]
    assert layout.attributes[attention] == {"layer_idx": 0, "n_heads": 1, "has_relative_attention_bias": True}
    shared = next(override for override in layout.overrides if isinstance(override, SliceSharedInput))
    assert (shared.path, shared.index, shared.maker) == (attention, [0], "compute_bias")
    pads = {override.path: override.width for override in layout.overrides if isinstance(override, PadOutput)}
    assert pads == {f"{attention}.{leaf}": 6 for leaf in "qkv"}
    assert [override.path for override in layout.overrides if isinstance(override, DropInput)] == [f"{attention}.o"]


def test_any_other_attention_without_heads_is_skipped(case):
    layout = compiled(case("t5"), {"decoder.1.self.heads": (), "decoder.0.cross.heads": ()})
    assert [override.to_dict() for override in layout.overrides] == [
        EmptyAttention("decoder.block.0.layer.1.EncDecAttention", "o", 3, None).to_dict(),
        EmptyAttention("decoder.block.1.layer.0.SelfAttention", "o", 3, ["position_bias", 1]).to_dict(),
    ]


def test_a_narrower_encoder_gathers_its_columns(case):
    layout = compiled(case("bart"), {"encoder.hidden": tuple(range(2, 32))})
    gathers = [override for override in layout.overrides if isinstance(override, GatherOutput)]
    assert [override.path for override in gathers] == ["model.encoder.embed_tokens"]
    assert gathers[0].index == list(range(2, 32))
    assert layout.shapes["model.encoder.layers.0.fc1.weight"] == [20, 30]
    assert "model.shared.weight" not in layout.shapes


def test_kept_layers_are_renumbered(case):
    layout = compiled(case("bart"), {"decoder.layers": (1, 3)})
    assert layout.attributes["model.decoder.layers.1.self_attn"]["layer_idx"] == 1
    assert layout.shapes == {}
