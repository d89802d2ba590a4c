"""The dependency graph: its groups against brute force and published counts, its couplings against wrong adapters."""

import copy

import pytest
import torch
from torch import nn
from transformers import BartConfig, MT5Config, T5Config

from prunekit.find.graph import discover
from prunekit.find.groups import Kind
from prunekit.find.plan import PlanError, PruningPlan
from prunekit.find.trace import trace
from prunekit.learn.masking.masks import masked
from prunekit.learn.strategy import Problem

_DEPTH = {"num_layers": 12, "num_decoder_layers": 12}
T5_BASE = T5Config(d_model=768, d_kv=64, d_ff=3072, num_heads=12, **_DEPTH, vocab_size=32128)


def prunable(graph):
    return [group for group in graph.groups if group.prunable]


@pytest.fixture(scope="module")
def t5_base(case):
    return discover(case("t5").adapter, T5_BASE)


def test_t5_base_has_the_published_counts(t5_base):
    assert len(prunable(t5_base)) == 12 * 2 + 12 * 3 + 2 + 2 + 1  # sub-layers, stacks, hidden dimensions, tokens
    assert t5_base.size_of("head").whole == 0
    assert t5_base.prunable_size("encoder").whole == 84_934_656
    assert t5_base.prunable_size("decoder").whole == 12 * 9_437_184
    assert t5_base.size_of("embedding").whole == 32_128 * 768
    assert t5_base.size.whole == 222_903_552  # the 223M of t5-base


def test_the_narrow_encoder_and_shallow_decoder_of_the_reference(t5_base):
    """Four of 12 decoder layers leave 113.25M - 8 * 9.437M in the decoder."""
    plan = PruningPlan({"decoder.layers": (0, 3, 7, 11)})
    assert t5_base.prunable_size("decoder").of(plan) == 4 * 9_437_184
    assert t5_base.prunable_size("encoder").of(plan) == 84_934_656


def test_bart_base(case):
    config = BartConfig(
        d_model=768,
        encoder_layers=6,
        decoder_layers=6,
        encoder_attention_heads=12,
        decoder_attention_heads=12,
        encoder_ffn_dim=3072,
        decoder_ffn_dim=3072,
    )
    graph = discover(case("bart").adapter, config)
    attention, channels = 4 * 768 * 768 + 3 * 768, 2 * 768 * 3072 + 3072
    assert graph.prunable_size("encoder").whole == 6 * (attention + channels) == 42_499_584
    assert graph.prunable_size("decoder").whole == 6 * (2 * attention + channels)
    assert graph.size.whole == 139_420_416  # the 139M of bart-base
    assert len(prunable(graph)) == 6 * 2 + 6 * 3 + 2 + 2 + 1


@pytest.mark.parametrize(("family", "config_class"), [("t5-gated", T5Config), ("mt5", MT5Config)])
def test_heads_that_do_not_divide_the_width(case, family, config_class):
    """Both v1.1-small and mT5-small have 6 heads of 64 over a width of 512, and gated channels."""
    sizes = {"d_model": 512, "d_kv": 64, "num_heads": 6, "d_ff": 1024, "num_layers": 8, "num_decoder_layers": 8}
    graph = discover(case(family).adapter, config_class(**sizes, feed_forward_proj="gated-gelu", vocab_size=100))
    assert len(prunable(graph)) == 8 * 2 + 8 * 3 + 2 + 2 + 1
    assert graph.prunable_size("encoder").whole == 8 * (786_432 + 3 * 512 * 1024)
    group = next(g for g in graph.groups if g.name == "encoder.3.self.heads")
    kept = PruningPlan({group.name: group.ids[1:]})
    assert graph.size.whole - graph.size.of(kept) == 4 * 512 * 64


def test_every_parameter_counts_once(every):
    unique = {id(p): p.numel() for p in every.model.parameters()}
    assert every.graph.size.whole == sum(unique.values())
    assert set(every.graph.parts) == set(every.graph.shapes)
    untied = every.family == "t5-gated-untied"
    assert (every.graph.size_of("head").whole == 60 * 32) == untied


def nonzero(model, batch, groups, plan):
    """For every parameter: where its gradient is not exactly zero while `plan` masks the model."""
    with masked(model, groups, plan):
        logits = model(**batch).logits
        direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(1))
        names, parameters = zip(*model.named_parameters(), strict=True)
        gradients = torch.autograd.grad((logits * direction).sum(), parameters, materialize_grads=True)
    return {name: gradient != 0 for name, gradient in zip(names, gradients, strict=True)}


def owned(group, graph, position):
    """Everywhere that the unit at a position owns, as boolean arrays; what lies within its group goes with it."""
    result = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in graph.shapes.items()}
    for part in (group, *(inner for inner in graph.groups if inner.within == group.name)):
        for piece in part.slices:
            result[piece.parameter].narrow(piece.dim, position * piece.span, piece.span).fill_(True)
    for name in group.covers[position] if group.covers else ():
        result[name].fill_(True)
    return result


def smooth(model):
    """A copy without ReLU, whose channels switch on and off as others change."""
    copied = copy.deepcopy(model)
    for module in copied.modules():
        if isinstance(getattr(module, "act", None), nn.ReLU):
            module.act = nn.GELU()
    return copied


def test_a_units_slices_are_exactly_what_falls_silent_without_it(every, batch):
    """Gradients tell which elements matter; those that stop mattering must be those that surgery removes.

    A bias of keys shifts all scores of a query alike: it never matters, and its gradient is rounding noise. The table
    of a narrowed encoder keeps its columns, which the decoder reads.
    """
    model, graph = smooth(every.model), every.graph
    before = nonzero(model, batch, graph.groups, PruningPlan())
    for group in (group for group in prunable(graph) if group.kind is not Kind.VOCABULARY):
        unit = group.ids[-1]
        after = nonzero(model, batch, graph.groups, PruningPlan({group.name: tuple(set(group.ids) - {unit})}))
        mine = owned(group, graph, len(group) - 1)
        for name in graph.shapes:
            assert not (mine[name] & after[name]).any(), (group.name, name)
            shared = group.lookups and name == graph.ties[f"{group.lookups[0]}.weight"]
            if not name.endswith("k_proj.bias") and not shared:
                assert torch.equal(before[name] & ~after[name], mine[name] & before[name]), (group.name, name)
                assert before[name].any()


def test_layers_beyond_the_skeleton_are_as_a_full_trace_finds_them(every):
    """The skeleton has two layers a stack, the model three and four."""
    full = set(trace(every.adapter, every.adapter.build(eager(every.config), "cpu")).components)
    ours = {frozenset((s.parameter, s.dim) for s in g.slices): g for g in every.graph.groups if g.layer is not None}
    assert set(ours) <= full
    assert {group.layer for group in ours.values()} == {0, 1, 2, 3}


def eager(config):
    plain = copy.deepcopy(config)
    plain._attn_implementation = "eager"
    return plain


def test_ties_and_streams_are_found(every):
    graph = every.graph
    streams = {group.name: group for group in graph.groups if group.kind in (Kind.HIDDEN, Kind.VOCABULARY)}
    assert sorted(streams) == ["encoder.hidden", "hidden", "vocabulary"]
    hidden, inner = streams["hidden"], streams["encoder.hidden"]
    assert (len(hidden), len(inner), inner.within) == (32, 32, "hidden")
    assert all(graph.shapes[piece.parameter][piece.dim] == 32 for group in (hidden, inner) for piece in group.slices)
    assert any(piece.parameter.endswith("shared.weight") for piece in hidden.slices)
    if "bart" not in every.family:  # whose projections are as wide as the model
        widths = sum(shape.count(32) for shape in graph.shapes.values())
        assert len(hidden.slices) + len(inner.slices) == widths
    assert [every.model.get_submodule(path).weight.shape[1] for path in inner.lookups] == [32]
    tied = {id(p) for p in every.model.parameters()}
    assert len(tied) == len(graph.shapes)
    for alias, first in graph.ties.items():
        assert every.model.get_parameter(alias) is every.model.get_parameter(first)


def test_a_graph_after_a_plan_describes_the_cut_model(every):
    plan = PruningPlan({"decoder.layers": (1, 3), "decoder.3.ffn": (0, 4), "encoder.0.self.heads": ()})
    small, after = every.cut(plan), every.graph.after(plan)
    assert after.shapes == {name: tuple(p.shape) for name, p in small.named_parameters()}
    assert set(after.parts) == set(after.shapes)


def test_a_caller_may_be_in_inference_mode(every):
    with torch.inference_mode():
        found = discover(every.adapter, every.config, every.model)
    assert found.groups == every.graph.groups


def test_what_stays_whole_is_found_but_neither_offered_nor_counted(case):
    bart = case("bart")

    class Headstrong(type(bart.adapter)):
        def whole(self, config):
            return ("encoder.*.heads", "hidden")

    graph = discover(Headstrong(), bart.config, bart.model)
    assert {group.name for group in graph.groups} == {group.name for group in bart.graph.groups}
    problem = Problem(graph.groups, {}, {})
    assert {group.kind for group in problem.widths("encoder")} == {Kind.FFN}
    assert {group.kind for group in problem.widths("decoder")} == {Kind.FFN, Kind.HEADS}
    assert problem.pick(Kind.HIDDEN, "") == []
    layers, channels, width = 3, 20, 32
    assert graph.prunable_size("encoder").whole == layers * channels * (2 * width + 1)
    with pytest.raises(PlanError, match=r"prunes 'encoder.0.self.heads', whose heads cannot be cut"):
        PruningPlan({"encoder.0.self.heads": (0,)}).validate(graph.groups)


def test_a_half_precision_config_is_traced_like_any_other(case):
    bart = case("bart")
    half = copy.deepcopy(bart.config)
    half.dtype = torch.float16
    assert discover(bart.adapter, half).groups == bart.graph.groups
