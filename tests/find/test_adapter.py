"""Declarations: roots with their roles, stacks with their defaults, and what an adapter builds."""

import copy

import pytest
import torch
from transformers import BartConfig, BartForConditionalGeneration

from prunekit.find.adapter import Adapter, Stack, ffn, heads
from prunekit.find.groups import Kind, Role


class Toy(Adapter):
    """A BART with the defaults."""

    def stacks(self, config):
        own, cross = heads("self_attn.q_proj"), heads("encoder_attn.q_proj")
        return (
            Stack("encoder", "model.encoder.layers", own, ffn("fc1")),
            Stack("decoder", "model.decoder.layers", own, cross, ffn("fc1")),
        )


def test_the_first_attention_of_a_layer_is_its_own_and_the_second_reads_the_encoder():
    encoder, decoder = Toy().stacks(None)
    assert [root.role for root in encoder.roots] == [Role.SELF, Role.FFN]
    assert [root.role for root in decoder.roots] == [Role.SELF, Role.CROSS, Role.FFN]
    assert [root.kind for root in decoder.roots] == [Kind.HEADS, Kind.HEADS, Kind.FFN]
    assert decoder.roots[1].owner == "encoder_attn"


def test_the_order_of_roots_of_different_kinds_does_not_matter():
    stack = Stack("decoder", "layers", ffn("fc1"), heads("a.q"), heads("b.q"))
    assert [root.role for root in stack.roots] == [Role.FFN, Role.SELF, Role.CROSS]


def test_a_stack_has_the_keys_and_the_owner_of_most():
    stack = Stack("encoder", "model.encoder.layers")
    assert (stack.depth, stack.owner, stack.streams) == (("encoder_layers",), "model.encoder", 1)
    assert (stack.own_depth, stack.each, stack.first) == ((), (), None)
    other = Stack("encoder", "model.encoder.layers", depth=("num_layers",), owner="model")
    assert (other.depth, other.owner) == (("num_layers",), "model")


@pytest.fixture
def config():
    sizes = {"d_model": 48, "encoder_attention_heads": 4, "decoder_attention_heads": 6, "vocab_size": 100}
    return BartConfig(**sizes, encoder_layers=3, decoder_layers=3, pad_token_id=90)


def test_a_skeleton_is_small_and_leaves_the_config_as_it_is(config):
    before = copy.deepcopy(config.to_dict())
    small = Toy().skeleton(config)
    assert (small.d_model, small.encoder_layers, small.vocab_size, small.pad_token_id) == (16, 2, 24, 2)
    assert config.to_dict() == before


def test_heads_divide_the_width(config):
    assert (Toy().head_size(config, "encoder"), Toy().head_size(config, "decoder")) == (12, 8)


def test_inputs_are_tokens_some_of_them_padded(config):
    inputs = Toy().encoder_inputs(config, 3)
    assert inputs["input_ids"].shape == (3, 7)
    assert inputs["attention_mask"].sum(dim=1).tolist() == [7, 4, 5]
    assert int(inputs["input_ids"].min()) >= 3
    assert torch.equal(inputs["input_ids"], Toy().encoder_inputs(config, 3)["input_ids"])


def test_models_are_built_without_memory_and_with_their_ties(config):
    model = Toy().build(config)
    assert type(model) is BartForConditionalGeneration
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert model.lm_head.weight is model.model.shared.weight


def test_a_model_class_may_stand_for_an_auto_class(config):
    class ByClass(Toy):
        auto_class = BartForConditionalGeneration

    assert type(ByClass().build(config)) is BartForConditionalGeneration


def test_tables_outside_of_layers_are_embeddings(config):
    assert Toy().embeddings(Toy().build(config)) == {
        "model.shared.weight",
        "model.encoder.embed_tokens.weight",
        "model.encoder.embed_positions.weight",
        "model.decoder.embed_tokens.weight",
        "model.decoder.embed_positions.weight",
    }


def test_the_loader_of_ctranslate2_is_that_of_the_config(config):
    model = Toy().build(config)
    assert Toy().ctranslate2(model, {"BartConfig": "loader"}) == "loader"
    assert Toy().ctranslate2(model, {}) is None
