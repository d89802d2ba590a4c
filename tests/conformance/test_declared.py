"""Checks of declarations: each sees what only it can see."""

import pytest
from transformers import LEDConfig, T5Config

from prunekit import FirstOwned, Stack, heads
from prunekit.conformance import Failure, ModelUnderTest, declared
from prunekit.find.validation import AdapterError
from prunekit.testing.models import T5_SIZES
from prunekit_adapters.led import Led
from prunekit_adapters.t5 import T5

CONFIG = T5Config(**T5_SIZES, vocab_size=60)


def changed(change):
    """A T5 whose stacks are declared in another way, under test."""

    class Changed(T5):
        def stacks(self, config):
            return tuple(change(stack) for stack in super().stacks(config))

    return ModelUnderTest.tiny(Changed(), CONFIG)


def with_fields(stack, **fields):
    for name, value in fields.items():
        object.__setattr__(stack, name, value)
    return stack


@pytest.fixture(scope="module")
def right():
    return ModelUnderTest.tiny(T5(), CONFIG)


@pytest.mark.parametrize(
    "check",
    [
        declared.declaration_and_trace,
        declared.attributes_are_there,
        declared.attentions_return_as_many,
        declared.streams_hang_on_tables,
        declared.parts_are_owned,
    ],
    ids=lambda check: check.__name__,
)
def test_a_right_declaration_passes(right, check):
    check(right)


def test_a_stack_of_another_name():
    def renamed(stack):
        return with_fields(stack, name="reader") if stack.name == "encoder" else stack

    class Renamed(T5):
        def stacks(self, config):
            return tuple(renamed(stack) for stack in super().stacks(config))

        def head_size(self, config, stack):
            return config.d_kv

    with pytest.raises(Failure, match="no stack is called encoder"):
        declared.declaration_and_trace(ModelUnderTest.tiny(Renamed(), CONFIG))


def test_a_count_that_is_misnamed():
    def misnamed(stack):
        first, *rest = stack.roots
        own = heads(first.module, count="inner_dim", shared=first.shared, results=first.results)
        return Stack(
            stack.name, stack.path, own, *rest, depth=stack.depth, own_depth=stack.own_depth, first=stack.first
        )

    with pytest.raises(Failure, match=r"SelfAttention.inner_dim is 24, where 4 was expected of 'layer.0"):
        declared.attributes_are_there(changed(misnamed))


def test_a_flag_that_is_not_raised():
    def other(stack):
        first = FirstOwned(stack.first.module, stack.first.names, "is_decoder")
        return with_fields(stack, first=first)

    with pytest.raises(Failure, match=r"encoder.block.0.layer.0.SelfAttention.is_decoder is not True"):
        declared.attributes_are_there(changed(other))


def test_what_only_the_first_layer_has_must_be_declared():
    with pytest.raises(Failure, match=r"no other layer has \['layer.0.SelfAttention.relative_attention_bias'\]"):
        declared.attributes_are_there(changed(lambda stack: with_fields(stack, first=None)))


def test_a_number_of_results_that_is_wrong():
    def four(stack):
        first, *rest = stack.roots
        own = heads(first.module, count=first.count, shared=first.shared, results=4)
        return with_fields(stack, roots=(with_fields(own, role=first.role), *rest))

    with pytest.raises(Failure, match=r"encoder.block.0.layer.0.SelfAttention returns \d values, not 4"):
        declared.attentions_return_as_many(changed(four))


def test_a_table_from_which_nothing_may_be_gathered():
    class Ungathered(T5):
        gathers = ()

    with pytest.raises(Failure, match=r"the stack 'encoder' hangs on 'hidden' by 'encoder.embed_tokens.weight' alone"):
        declared.streams_hang_on_tables(ModelUnderTest.tiny(Ungathered(), CONFIG))


def test_an_owner_that_is_too_small():
    def small(stack):
        return with_fields(stack, owner=stack.path) if stack.name == "decoder" else stack

    with pytest.raises(Failure, match=r"'decoder.final_layer_norm.weight' lies in the decoder but counts as head"):
        declared.parts_are_owned(changed(small))
    with pytest.raises(AdapterError, match=r"gathers from 'encoder.embed_tokens', which lies in no stack; .* `owner`"):
        declared.parts_are_owned(changed(lambda stack: with_fields(stack, owner=stack.path)))


def led(hints=None):
    """A small LED under test, whose adapter adds what `hints` makes of a batch."""
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "attention_window": [4, 4]}
    sizes = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 12, "decoder_ffn_dim": 12}
    positions = {"max_encoder_position_embeddings": 16, "max_decoder_position_embeddings": 16}

    class Hinting(Led):
        def attention_hints(self, config, batch):
            return super().attention_hints(config, batch) if hints is None else hints(batch)

    return ModelUnderTest.tiny(Hinting(), LEDConfig(**heads, **sizes, **positions, vocab_size=60))


def test_hints_that_the_model_takes():
    declared.hints_are_accepted(led())


def test_no_hints_are_no_matter(right):
    assert not right.adapter.attention_hints(right.model.config, right.inputs)
    declared.hints_are_accepted(right)


def test_hints_that_the_model_does_not_know():
    with pytest.raises(Failure, match=r"does not listen to .'bias'"):
        declared.hints_are_accepted(led(lambda batch: {"bias": batch["attention_mask"]}))


def test_hints_that_the_model_cannot_use():
    with pytest.raises(Failure, match=r"does not take .'global_attention_mask'"):
        declared.hints_are_accepted(led(lambda batch: {"global_attention_mask": batch["attention_mask"][:, :3]}))


def test_hints_of_other_rows():
    with pytest.raises(Failure, match="one row for each row"):
        declared.hints_are_accepted(led(lambda batch: {"global_attention_mask": batch["attention_mask"][:1]}))
