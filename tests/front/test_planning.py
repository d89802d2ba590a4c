"""Steps for a model: below its depth, narrowed where that buys speed, with advice on tokens; costs made by hand."""

import logging

import pytest

from prunekit import PrunekitError, PruningPlan
from prunekit.find.groups import Kind
from prunekit.front import planning
from prunekit.front.recipes import front_recipe
from prunekit.latency.shapes import Shapes
from prunekit.loading.context import open_run_context


class Cost:
    """A decoder layer takes 1 s, the head 1 s for all tokens, the encoder 0.2 s for all its channels."""

    def __init__(self, graph, head=1.0):
        self.groups = graph.groups
        self.head = head

    def share(self, plan, kind, stack):
        groups = [group for group in self.groups if group.kind is kind and group.stack == stack]
        return sum(len(plan.of(group)) for group in groups) / sum(map(len, groups))

    def seconds(self, plan):
        layers = 3 * self.share(plan, Kind.LAYERS, "decoder")
        head = self.head * self.share(plan, Kind.VOCABULARY, "")
        return {"decoder": layers, "head": head, "encoder": 0.2 * self.share(plan, Kind.FFN, "encoder")}

    def total(self, plan):
        return sum(self.seconds(plan).values())


@pytest.fixture
def planned(recipe, monkeypatch):
    """Plans the steps of a recipe at these costs."""

    def plan(asked=(), head=1.0, **keys):
        whole, strategy = front_recipe(recipe(**keys))
        context = open_run_context(whole)
        costs = Cost(context.graph, head)
        monkeypatch.setattr(planning, "_shapes", lambda *_: Shapes(costs, context.graph, round_to=1))
        return planning.plan_steps(whole, strategy, asked, context, None)

    return plan


def test_the_encoder_is_narrowed_where_it_takes_time(planned):
    narrow = {"strategy": "nash", "options": {"encoder_sparsity": 0.5}}
    # 0.1 of 2 + 1 + 0.2 seconds are 3%, of 1 + 1 + 0.2 5%; of the same with a head of 3 seconds 1.9% and 2.4%
    assert [step.encoder_sparsity for step in planned(**narrow)] == [0.5, 0.5]
    assert [step.encoder_sparsity for step in planned(**narrow, head=3.0)] == [0.0, 0.5]
    assert [step.encoder_sparsity for step in planned()] == [None, None]  # depth alone has no such option
    assert [step.decoder_layers for step in planned(asked=[1])] == [1]


def test_tokens_are_not_removed_but_it_is_said_what_that_would_buy(planned, caplog):
    caplog.set_level(logging.INFO, "prunekit")
    planned(head=60.0)
    assert "--vocabulary task" in caplog.text
    before = (3 + 60 + 0.2) / (1 + 60 + 0.2)
    after = (3 + 60 + 0.2) / (1 + 60 * 29 / 32 + 0.2)  # the tokenizer's 29 tokens of 32 in the table
    assert f"would be {after:.1f} times as fast as the dense model" in caplog.text
    assert f"instead of {before:.1f} times" in caplog.text
    caplog.clear()
    planned(head=0.01)
    planned(head=60.0, vocabulary={"corpus": "task"})
    assert "--vocabulary" not in caplog.text


def test_steps_begin_below_the_run_that_is_started_from(recipe, monkeypatch):
    whole, _ = front_recipe(recipe(start="an earlier run"))
    context = open_run_context(recipe())
    kept = PruningPlan({"decoder.layers": (0, 2)})
    monkeypatch.setattr(planning, "open_start", lambda *_: type("Start", (), {"plan": kept}))
    assert planning.front_depths(whole, (), context) == ([1], 3)
    with pytest.raises(PrunekitError, match="keep 2 decoder layers, but there are 2"):
        planning.front_depths(whole, [2], context)
