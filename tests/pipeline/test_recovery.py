"""What recovery starts from, and how long a budget lets it last."""

import copy
from types import SimpleNamespace

import torch

from prunekit import Distillation, PruningPlan, prune
from prunekit.learn.training.phase import TrainingPhase
from prunekit.pipeline import recovery
from prunekit.pipeline.recovery import affordable_steps, forget_weights
from prunekit.recipe import BudgetSection, RecoverySection


def bench(spent_examples=0, spent_seconds=0.0):
    budget = SimpleNamespace(examples=spent_examples, seconds=spent_seconds)
    counter = SimpleNamespace(steps=lambda examples: examples // 4)
    return SimpleNamespace(context=SimpleNamespace(budget=budget, step_counter=counter), trainer=None)


def test_a_budget_of_examples_leaves_what_learning_did_not_see():
    asked = BudgetSection(examples=100)
    assert affordable_steps(asked, RecoverySection(), bench(), None) == 25
    assert affordable_steps(asked, RecoverySection(), bench(spent_examples=40), None) == 15


def test_the_tighter_of_two_limits_counts(monkeypatch):
    cost = SimpleNamespace(steps=lambda seconds: int(seconds / 0.5))
    asked = []
    monkeypatch.setattr(recovery, "estimate_step_cost", lambda trainer, *rest: asked.append(rest) or cost)
    frozen = RecoverySection(frozen=("encoder",))
    both = BudgetSection(examples=100, cpu_seconds=10.0)
    losses = Distillation()
    assert affordable_steps(both, frozen, bench(spent_seconds=4.0), losses) == 12
    assert affordable_steps(both, frozen, bench(spent_examples=80), losses) == 5
    assert (
        asked == [(TrainingPhase(losses, frozen_stacks=("encoder",)), 0.3)] * 2
    )  # 3% of ten seconds are spent on timing


def test_random_weights_have_the_pruned_shape_and_follow_the_seed(state):
    plan = PruningPlan({"decoder.layers": (0, 2), "encoder.0.self.heads": (1,), "encoder.1.ffn": (0, 5)})
    opened = state()
    dense = copy.deepcopy(opened.pruned.model)
    config = opened.dense_config
    prune(opened.pruned.model, plan, opened.pruned.adapter)
    shapes = {name: value.shape for name, value in opened.pruned.model.state_dict().items()}
    found = []
    for seed in (0, 0, 1):
        forget_weights(opened.pruned, plan, copy.deepcopy(config), seed)
        found.append(copy.deepcopy(opened.pruned.model.state_dict()))
    name = "decoder.block.1.layer.2.DenseReluDense.wi.weight"
    assert {key: value.shape for key, value in found[0].items()} == shapes
    assert torch.equal(found[0][name], found[1][name])
    assert not torch.equal(found[0][name], found[2][name])
    assert not torch.equal(found[0][name], dense.state_dict()["decoder.block.2.layer.2.DenseReluDense.wi.weight"])
