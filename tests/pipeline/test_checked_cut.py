"""A cut proves itself, and one that is wrong is refused with the adapter's name."""

import copy

import pytest
import torch

from prunekit.errors import PrunekitError
from prunekit.find.plan import PruningPlan
from prunekit.pipeline import checked_cut
from prunekit.pipeline.checked_cut import cut_checked

FIRST = PruningPlan({"decoder.layers": (0, 2)})
SECOND = PruningPlan({"encoder.0.self.heads": (1,), "decoder.2.ffn": (0, 1)})


def checked(case, model, plan, before, batch):
    return cut_checked(model, plan, case.adapter, case.graph, case.config, before, [batch])


def test_a_second_cut_is_proved_against_the_first(case, batch):
    one = case("t5")
    model = copy.deepcopy(one.model)
    for plan, before in ((FIRST, PruningPlan()), (SECOND, FIRST)):
        assert checked(one, model, plan, before, batch).max_rel_diff <= 1e-5
    with torch.no_grad():
        assert torch.equal(model(**batch).logits, one.cut(FIRST.then(SECOND))(**batch).logits)


def test_a_cut_that_computes_something_else_is_refused(case, batch, monkeypatch):
    one = case("t5")
    right = checked_cut.cut

    def wrong(model, *given):
        right(model, *given)
        with torch.no_grad():
            model.get_decoder().block[1].layer[0].SelfAttention.o.weight.mul_(1.05)

    monkeypatch.setattr(checked_cut, "cut", wrong)
    with pytest.raises(PrunekitError, match=r"differs from the masked one \(logits by .*; the adapter T5 is wrong"):
        checked(one, copy.deepcopy(one.model), FIRST, PruningPlan(), batch)


@pytest.mark.parametrize("place", [0, 1])
def test_a_model_that_computes_no_numbers_is_no_fault_of_the_adapter(case, batch, place):
    """In whichever batch: the bad token stands in one of two."""
    one = case("t5")
    model = copy.deepcopy(one.model)
    other = {**batch, "input_ids": batch["input_ids"].clamp(max=58), "labels": batch["labels"].clamp(max=58)}
    marked = {**other, "input_ids": other["input_ids"].clone()}
    marked["input_ids"][0, 0] = 59
    with torch.no_grad():
        model.get_input_embeddings().weight[59] = float("nan")
    model.lm_head.weight = torch.nn.Parameter(one.model.lm_head.weight.detach().clone())
    batches = [other, other]
    batches[place] = marked
    with pytest.raises(PrunekitError, match="computes numbers too large, or none"):
        cut_checked(model, FIRST, one.adapter, one.graph, one.config, PruningPlan(), batches)
