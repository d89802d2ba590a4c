"""Lists of cross-attention heads in the generation config: after a cut they name the same heads by new numbers."""

import copy

import pytest
import torch

from prunekit.cut import checkpoint
from prunekit.find.plan import PruningPlan
from prunekit.learn.masking.masks import masked

PLAN = PruningPlan({"decoder.layers": (1, 2, 3), "decoder.2.cross.heads": (), "decoder.3.cross.heads": (1, 3)})
PAIRS = [[0, 1], [1, 0], [2, 3], [3, 3], [3, 2], [3, 1]]
LEFT = {(1, 0): (0, 0), (3, 3): (2, 1), (3, 1): (2, 0)}
"""By hand: layer 0 goes, layer 2 has no heads left, and of layer 3's heads 1 and 3 stay."""


@pytest.fixture(scope="module")
def bart(case):
    return case("bart")


@pytest.fixture
def listed(bart):
    """A dense model whose generation config lists some heads."""
    model = copy.deepcopy(bart.model)
    model.generation_config.alignment_heads = copy.deepcopy(PAIRS)
    model.generation_config._from_model_config = (
        False  # one of its own, as Whisper's: others lose unknown keys on loading
    )
    return model


def weights(model, batch):
    """The cross-attentions' weights, by decoder layer."""
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        return model(**batch, output_attentions=True, use_cache=False).cross_attentions


def test_heads_that_are_left_get_their_new_numbers(bart, listed):
    small = bart.cut(PLAN, listed)
    assert small.generation_config.alignment_heads == [list(pair) for pair in LEFT.values()]
    assert listed.generation_config.alignment_heads == PAIRS


def test_the_new_numbers_name_heads_that_attend_alike(bart, listed, batch):
    with masked(listed, bart.graph.groups, PLAN):
        before = weights(listed, batch)
    after = weights(bart.cut(PLAN, listed), batch)
    assert len(after) == 3
    for (layer, head), (new_layer, new_head) in LEFT.items():
        torch.testing.assert_close(before[layer][:, head], after[new_layer][:, new_head])


def test_a_second_cut_counts_on_from_the_first(bart, listed):
    again = bart.cut(PruningPlan({"decoder.layers": (0, 3), "decoder.3.cross.heads": (2, 3)}), listed)
    assert again.generation_config.alignment_heads == [[0, 1], [1, 1], [1, 0]]
    twice = bart.cut(PruningPlan({"decoder.layers": (3,)}), again, checkpoint.plan_of(again))
    assert twice.generation_config.alignment_heads == [[0, 1], [0, 0]]


def test_a_list_of_which_nothing_is_left_goes(bart, listed):
    small = bart.cut(PruningPlan({f"decoder.{n}.cross.heads": () for n in range(4)}), listed)
    assert not hasattr(small.generation_config, "alignment_heads")


def test_the_list_is_saved_and_loaded(bart, listed, tmp_path):
    checkpoint.save(bart.cut(PLAN, listed), tmp_path / "model")
    loaded = checkpoint.from_pretrained(tmp_path / "model")
    assert loaded.generation_config.alignment_heads == [[0, 0], [2, 1], [2, 0]]
