"""The laws: masked equals cut, counted equals real; on random plans, for every family."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunekit.errors import PrunekitError
from prunekit.find.graph import discover
from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.learn.masking.masks import masked
from prunekit.measure.equivalence import OutputTrace, compare_outputs
from prunekit.pipeline.checked_cut import cut_checked
from prunekit.testing import plans

WAYS = {
    "greedy": {},
    "uncached": {"use_cache": False},
    "beam": {"num_beams": 4},
    "sampled": {"do_sample": True, "top_k": 0},
    "sampled beams": {"do_sample": True, "num_beams": 3},
    "static cache": {"cache_implementation": "static"},
}
few = settings(derandomize=True, deadline=None, max_examples=4)
some = settings(derandomize=True, deadline=None, max_examples=12)

RAGGED = PruningPlan(
    {
        "encoder.layers": (1, 2),
        "encoder.1.self.heads": (),
        "encoder.1.ffn": (0, 3, 4),
        "encoder.2.self.heads": (0, 3),
        "encoder.2.ffn": (),
        "decoder.layers": (1, 3),
        "decoder.1.self.heads": (),
        "decoder.1.cross.heads": (),
        "decoder.1.ffn": (2, 3, 5, 7, 11, 13, 17),
        "decoder.3.self.heads": (1,),
        "decoder.3.cross.heads": (0, 2, 3),
        "decoder.3.ffn": (),
    }
)
"""Layer 0 gone in both stacks, the new first layers without self- and cross-attention, widths of 0, 1, 2, 3 and 7."""


def logits(model, batch):
    with torch.inference_mode():
        return model(**batch).logits


def tokens(model, batch, way):
    """Eight tokens an input, no token twice, so that a model that stutters shows differences too."""
    torch.manual_seed(0)
    words = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    length = {"max_new_tokens": 8, "min_new_tokens": 8, "no_repeat_ngram_size": 1}
    return model.generate(**words, **length, **WAYS[way])


def difference(one, other):
    return float((one - other).abs().max() / one.abs().max())


def bare(case):
    """The smallest plan: the last layer of either stack without any unit, on eight and four hidden dimensions."""
    left = {Kind.LAYERS: -1, Kind.HIDDEN: -8}
    groups = [g for g in case.graph.groups if g.prunable and g.kind is not Kind.VOCABULARY]
    kept = {g.name: g.ids[left[g.kind] :] if g.kind in left else () for g in groups}
    return PruningPlan({**kept, "encoder.hidden": (24, 26, 29, 31)})


@some
@given(data=st.data())
def test_masked_equals_cut_in_logits(every, batch, data):
    plan = data.draw(plans(every.graph.groups))
    with masked(every.model, every.graph.groups, plan):
        expected = logits(every.model, batch)
    assert difference(expected, logits(every.cut(plan), batch)) <= 1e-5


@few
@given(data=st.data())
def test_masked_equals_cut_in_tokens(every, batch, data):
    check_tokens(every, batch, data.draw(plans(every.graph.groups)))


@pytest.mark.parametrize("plan", [RAGGED, bare, PruningPlan()], ids=["ragged", "bare", "whole"])
def test_masked_equals_cut_at_the_edges(every, batch, plan):
    check_tokens(every, batch, plan(every) if callable(plan) else plan)


def check_tokens(case, batch, plan):
    with masked(case.model, case.graph.groups, plan):
        expected = {way: tokens(case.model, batch, way) for way in WAYS}
        forced = logits(case.model, batch)
    small = case.cut(plan)
    assert difference(forced, logits(small, batch)) <= 1e-5
    for way in WAYS:
        assert torch.equal(expected[way], tokens(small, batch, way)), way


@few
@given(data=st.data())
def test_masked_equals_cut_on_a_model_that_was_cut_before(every, batch, data):
    first = data.draw(plans(every.graph.groups))
    groups = groups_after(every.graph.groups, first)
    second = data.draw(plans(groups))
    small = every.cut(first)
    with masked(small, groups, second):
        expected = logits(small, batch)
    again = every.cut(second, small, first)
    assert difference(expected, logits(again, batch)) <= 1e-5
    assert torch.equal(logits(every.cut(first.then(second)), batch), logits(again, batch))


def test_the_toys_are_loud_enough_for_a_wrong_slice_to_show(every, batch):
    group = next(g for g in every.graph.groups if g.name == "decoder.1.cross.heads")
    right, wrong = (every.cut(PruningPlan({group.name: kept})) for kept in ((0, 1), (0, 2)))
    assert difference(logits(right, batch), logits(wrong, batch)) > 1e-3


def checked(case, adapter, plan, batch, model=None):
    graph = discover(adapter, case.config, case.model)
    return cut_checked(
        model or copy.deepcopy(case.model), plan, adapter, graph, case.config, PruningPlan(), [batch, batch]
    )


def test_a_run_checks_its_own_plan(every, batch):
    model = copy.deepcopy(every.model)
    result = checked(every, every.adapter, RAGGED, batch, model)
    assert result.tokens_equal
    assert result.max_rel_diff <= 1e-5
    assert torch.equal(logits(model, batch), logits(every.cut(RAGGED), batch))


def test_a_run_catches_an_adapter_that_leaves_the_position_table_behind(case, batch):
    t5 = case("t5")

    class Forgetful(type(t5.adapter)):
        def stacks(self, config):
            return tuple(unfounded(stack) for stack in super().stacks(config))

    assert checked(t5, Forgetful(), PruningPlan({"decoder.layers": (0, 2)}), batch).tokens_equal
    with pytest.raises(PrunekitError, match=r"differs from the masked one .* the adapter Forgetful is wrong"):
        checked(t5, Forgetful(), PruningPlan({"decoder.layers": (1, 2)}), batch)


def unfounded(stack):
    """The stack without what only its first layer owns."""
    return type(stack)(stack.name, stack.path, *stack.roots, depth=stack.depth, own_depth=stack.own_depth)


def trace(scores, token, logits=(1.0, -4.0)):
    """One input: its logits under teacher forcing, the one token it generated and the scores of the two candidates."""
    return OutputTrace((torch.tensor([[logits]]),), (torch.tensor([[0, token]]),), (torch.tensor([[scores]]),))


def test_a_flip_counts_only_where_the_top_two_are_apart():
    close, apart = trace((1.0, 1.0 - 1e-6), 0), trace((1.0, 0.9), 0)
    assert compare_outputs(close, trace((1.0 - 1e-6, 1.0), 1)).tokens_equal
    assert not compare_outputs(apart, trace((0.9, 1.0), 1)).tokens_equal
    assert compare_outputs(apart, apart).tokens_equal


def test_differences_are_told_in_units_of_the_largest_logit():
    result = compare_outputs(trace((1.0, 0.9), 0), trace((1.0, 0.9), 0, logits=(1.5, -4.0)))
    assert (result.max_abs_diff, result.max_rel_diff) == (0.5, 0.125)


@some
@given(data=st.data())
def test_counted_equals_real(every, data):
    plan = data.draw(plans(every.graph.groups))
    real = sum(parameter.numel() for parameter in every.cut(plan).parameters())
    assert every.graph.size.of(plan) == real
    assert every.graph.after(plan).size.whole == real
    assert real <= sum(parameter.numel() for parameter in every.model.parameters())


@some
@given(data=st.data())
def test_the_parts_add_up_and_dropping_more_never_adds(every, data):
    first, second = (data.draw(plans(every.graph.groups)) for _ in range(2))
    size, parts = every.graph.size, ("encoder", "decoder", "embedding", "head")
    assert sum(every.graph.size_of(part).of(first) for part in parts) == size.of(first)
    assert size.of(first.then(second)) <= min(size.of(first), size.of(second))
