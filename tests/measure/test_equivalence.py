"""Equivalence: how far two models are apart, and that a cut which computes something else is noticed."""

import copy

import pytest
import torch

from prunekit.cut import surgery
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.measure.equivalence import ALARM, Equivalence, compare_outputs, compare_with_cut, record_outputs

PLAN = PruningPlan({"decoder.layers": (0, 2), "encoder.0.self.heads": (1,), "encoder.1.ffn": (0, 3, 4)})


def compared(case, batch, then=lambda model: None, plan=PLAN):
    """The dense model masked, against its cut to which something was done."""
    model = copy.deepcopy(case.model)
    groups = groups_after(case.graph.groups, PruningPlan())

    def cut():
        surgery.cut(model, plan, case.adapter, case.graph, case.config)
        then(model)

    return compare_with_cut(model, groups, plan, cut, [batch, batch])


def test_a_trace_holds_what_the_model_computes_and_leaves_its_mode(case, batch):
    model = copy.deepcopy(case("t5").model).train()
    trace = record_outputs(model, [batch], new_tokens=4)
    assert model.training
    model.eval()
    with torch.no_grad():
        logits = model(**batch).logits
        tokens = model.generate(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], max_new_tokens=4, num_beams=1
        )
    assert torch.allclose(trace.logits[0], logits, atol=1e-5)
    assert torch.equal(trace.tokens[0], tokens)
    assert trace.scores[0].shape == (*tokens[:, 1:].shape, logits.shape[-1])
    assert torch.equal(trace.scores[0].argmax(-1)[:, 0], tokens[:, 1])


def test_differences_are_relative_to_the_largest_logit(case, batch):
    trace = record_outputs(case("t5").model, [batch])
    largest = float(trace.logits[0].abs().max())
    moved = trace.logits[0].clone()
    moved[0, 0, 0] += 0.5
    other = type(trace)((moved,), trace.tokens, trace.scores)
    result = compare_outputs(trace, other)
    assert result.max_abs_diff == pytest.approx(0.5, rel=1e-3)
    assert result.max_rel_diff == pytest.approx(0.5 / largest, rel=1e-3)


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_a_right_cut_holds_and_a_wrong_one_does_not(case, batch, family):
    right = compared(case(family), batch)
    assert right.holds(torch.float32)
    assert right.max_rel_diff <= 1e-5

    def spoil(model):
        with torch.no_grad():
            next(parameter for parameter in model.get_decoder().parameters() if parameter.dim() == 2).mul_(1.01)

    wrong = compared(case(family), batch, spoil)
    assert not wrong.holds(torch.float32)
    assert wrong.max_rel_diff > 10 * right.max_rel_diff


def test_the_worse_of_two_is_worse_in_each_respect():
    one = Equivalence(max_abs_diff=1.0, max_rel_diff=1e-7, tokens_equal=True)
    other = Equivalence(max_abs_diff=0.5, max_rel_diff=1e-6, tokens_equal=False)
    assert one.worse(other) == Equivalence(max_abs_diff=1.0, max_rel_diff=1e-6, tokens_equal=False)


def test_lower_precision_may_differ_more_but_never_in_tokens():
    found = Equivalence(max_abs_diff=1.0, max_rel_diff=1e-2, tokens_equal=True)
    assert [found.holds(dtype) for dtype in ALARM] == [False, True, True]
    assert not found.model_copy(update={"tokens_equal": False}).holds(torch.bfloat16)
