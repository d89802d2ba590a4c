"""Tokens by their new numbers, by hand: in batches, configs, settings of generation and tables."""

import pytest
import torch
from torch import nn
from transformers import BartConfig, GenerationConfig

from prunekit.cut.token_ids import Renumbering, token_ids_in_configs, token_keys, vocabulary_group
from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan

FEWER = Renumbering({0: 0, 1: 1, 2: 2, 5: 3, 7: 4}, 8)
"""Of eight tokens 3, 4 and 6 are removed."""


def test_a_plan_tells_the_new_numbers_in_the_live_model():
    """The group's ids are the dense model's, of which the live one has lost 1 and 4 already."""
    tokens = PruningGroup("vocabulary", Kind.VOCABULARY, "", (0, 2, 3, 5))
    assert Renumbering.of([tokens], PruningPlan({"vocabulary": (0, 3, 5)})) == Renumbering({0: 0, 2: 1, 3: 2}, 4)
    assert Renumbering.of([tokens], PruningPlan()) is None
    assert Renumbering.of([], PruningPlan()) is None
    assert vocabulary_group([PruningGroup("vocabulary", Kind.VOCABULARY, "", (0,), prunable=False)]) is None


def test_batches():
    batch = {
        "input_ids": torch.tensor([[7, 5, 2]]),
        "labels": torch.tensor([[1, -100, -100]]),
        "attention_mask": torch.tensor([[1, 1, 0]]),
    }
    found = FEWER.renumber_batch(batch)
    assert found["input_ids"].tolist() == [[4, 3, 2]]
    assert found["labels"].tolist() == [[1, -100, -100]]
    assert found["attention_mask"] is batch["attention_mask"]
    assert FEWER.kept_ids == [0, 1, 2, 5, 7]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("forced_bos_token_id", 7, 4),
        ("eos_token_id", [2, 5], [2, 3]),
        ("bad_words_ids", [[3], [5, 7], [5, 6]], [[3, 4]]),
        ("suppress_tokens", [3, 5, 7], [3, 4]),
        ("forced_decoder_ids", [[1, 5], [2, 7]], [[1, 3], [2, 4]]),
        ("lang_to_id", {"<|de|>": 5}, {"<|de|>": 3}),
        ("sequence_bias", [[[5], -1.0], [[6], -2.0]], [[[3], -1.0]]),
        ("pad_token_id", 11, 11),
        ("max_new_tokens", 5, 5),
    ],
)
def test_settings_of_generation(key, value, expected):
    assert FEWER.renumber_settings({key: value}) == {key: expected}


@pytest.mark.parametrize(
    ("key", "value"), [("eos_token_id", 3), ("force_words_ids", [[5, 4]]), ("lang_to_id", {"x": 6})]
)
def test_a_removed_token_that_is_needed(key, value):
    with pytest.raises(PrunekitError, match=rf"drops the token [346], which the model's config names as '{key}'; keep"):
        FEWER.renumber_settings({key: value})


def config():
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
    return BartConfig(vocab_size=8, d_model=8, forced_eos_token_id=5, **special)


def test_configs_with_the_number_of_tokens():
    given = config()
    assert "vocab_size" in set(token_keys(given))
    FEWER.renumber_config(given)
    assert (given.vocab_size, given.eos_token_id, given.decoder_start_token_id) == (5, 2, 2)
    generation = GenerationConfig(forced_bos_token_id=7, suppress_tokens=[6])
    FEWER.renumber_config(generation)
    assert (generation.forced_bos_token_id, generation.suppress_tokens) == (4, [])


def test_modules():
    model = nn.Sequential(nn.Embedding(8, 2, padding_idx=7))
    model.register_buffer("bias", torch.arange(8.0)[None])
    FEWER.renumber_modules(model, ("bias",))
    assert model.bias.tolist() == [[0, 1, 2, 5, 7]]
    assert model[0].padding_idx == 4


def test_positions_that_are_counted_from_the_padding():
    table = nn.Embedding(8, 2, padding_idx=7)
    table.make_weights = print
    with pytest.raises(PrunekitError, match="counted from its padding token, number 7; keep every token up to that"):
        FEWER.renumber_modules(nn.Sequential(table), ())


def test_what_configs_need(case):
    bart = case("bart").model
    found = token_ids_in_configs(bart, {"forced_bos_token_id": 9, "suppress_tokens": [8], "eos_token_id": 10**6})
    assert {0, 1, 2, 9} <= found
    assert 8 not in found
    assert 10**6 not in found
