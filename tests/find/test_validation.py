"""Wrong declarations are refused by name, both ways: a root that owns no group, and a group that no root owns."""

from dataclasses import replace

import pytest
from torch import nn

from prunekit.find.adapter import Stack, ffn, heads
from prunekit.find.graph import discover
from prunekit.find.groups import Kind
from prunekit.find.validation import AdapterError, first_only, layer_of

STACKS = (Stack("encoder", "encoder.block"), Stack("decoder", "decoder.block"))


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("encoder.block.3.q.weight", (STACKS[0], 3)),
        ("decoder.block.11.wo.weight", (STACKS[1], 11)),
        ("encoder.final_layer_norm.weight", None),
        ("encoder.blocks.3.q.weight", None),
        ("encoder.block.norm.weight", None),
    ],
)
def test_the_layer_of_a_parameter(parameter, expected):
    assert layer_of(parameter, STACKS) == expected


def test_what_only_the_first_layer_has():
    def layer(**more):
        return nn.ModuleDict({"q": nn.Linear(2, 2), **more})

    layers = [layer(bias=nn.Embedding(2, 2)), layer(), layer(gate=nn.Linear(2, 2))]
    assert first_only(layers) == ["bias"]
    assert first_only(layers[:1]) == []


class Wrong:
    """Makes adapters that declare the given roots of a decoder in place of the right ones."""

    def __init__(self, case, family):
        self.base = case(family)

    def __call__(self, change, **attributes):
        base = type(self.base.adapter)

        def stacks(adapter, config):
            return tuple(change(stack) for stack in base.stacks(adapter, config))

        return discover(type("Wrong", (base,), {"stacks": stacks, **attributes})(), self.base.config)


@pytest.fixture(params=["t5", "t5-gated", "bart"])
def wrong(request, case):
    return Wrong(case, request.param)


def with_roots(stack, roots):
    return Stack(stack.name, stack.path, *roots, depth=stack.depth, own_depth=stack.own_depth, first=stack.first)


def only(name, change):
    """Change the roots of one stack."""
    return lambda stack: with_roots(stack, change(list(stack.roots))) if stack.name == name else stack


def test_the_right_roots_pass(wrong):
    assert any(group.prunable for group in wrong(lambda stack: stack).groups)


@pytest.mark.parametrize("family", ["t5", "t5-gated", "mt5"])
def test_a_position_bias_that_is_not_cut(case, family):
    with pytest.raises(
        AdapterError,
        match=r"Wrong declares heads at 'encoder\.block\.0\.layer\.0\.SelfAttention\.q' as a group of their own, "
        r"but tracing couples them with 'encoder\.block\.\d\.[^']*SelfAttention[^']*'; declare a cut",
    ):
        Wrong(case, family)(lambda stack: stack, cuts=())


def test_a_forgotten_cross_attention(wrong):
    with pytest.raises(
        AdapterError, match=r"prunable group at '[^']*decoder[^']*(EncDecA|encoder_a)tt[^']*' that the adapter Wrong"
    ):
        wrong(only("decoder", lambda roots: [roots[0], roots[2]]))


@pytest.mark.parametrize("stack", ["encoder", "decoder"])
def test_a_forgotten_feed_forward(wrong, stack):
    with pytest.raises(
        AdapterError, match=rf"prunable group at '[^']*{stack}[^']*(DenseReluDense|fc1)[^']*' that the adapter Wrong"
    ):
        wrong(only(stack, lambda roots: roots[:-1]))


def test_a_group_that_is_deliberately_kept_needs_no_root(wrong):
    graph = wrong(only("encoder", lambda roots: roots[:-1]), keep=("DenseReluDense", "fc1"))
    assert {group.stack for group in graph.groups if group.kind is Kind.FFN} == {"decoder"}


def test_a_misspelt_root(wrong):
    with pytest.raises(
        AdapterError, match=r"Wrong declares '[^']*0\.self_attention\.query', which \w+Generation does not have"
    ):
        wrong(only("encoder", lambda roots: [heads("self_attention.query"), *roots[1:]]))


def test_a_misspelt_stack(wrong):
    with pytest.raises(AdapterError, match=r"Wrong declares 'encoder\.blocks', which \w+ does not have"):
        wrong(lambda stack: copied(stack, path="encoder.blocks") if stack.name == "encoder" else stack)


def copied(stack, path):
    return Stack(stack.name, path, *stack.roots, depth=stack.depth, own_depth=stack.own_depth, first=stack.first)


def test_a_root_that_another_root_owns(wrong):
    """Keys go with their queries: a second declaration of the same group names the first."""

    def twice(roots):
        key = replace(roots[0], module=roots[0].module.replace("q_proj", "k_proj").replace("tion.q", "tion.k"))
        assert key != roots[0]
        return [*roots, key]

    with pytest.raises(AdapterError, match=r"declares heads at '([^']*)k(_proj)?' .* couples them with '\1q(_proj)?'"):
        wrong(only("decoder", twice))


def test_a_root_on_the_residual_stream(wrong):
    """The second matrix of an FFN puts out hidden dimensions, which belong to no layer alone."""

    def second(roots):
        last = roots[-1].module
        return [*roots[:-1], ffn(last.replace("wi_0", "wo").replace("wi", "wo").replace("fc1", "fc2"))]

    with pytest.raises(AdapterError, match=r"declares ffn at '[^']*(wo|fc2)' as a group of their own, .* couples"):
        wrong(only("encoder", second))


def test_heads_that_do_not_fit_their_projection(wrong):
    with pytest.raises(AdapterError, match=r"Wrong gives heads of 5 .* which has (24|32) rows"):
        wrong(lambda stack: stack, head_size=lambda adapter, config, stack: 5)
