"""Hardening: gates become plans that meet their targets, coarse units first, in every family."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan
from prunekit.learn.masking.gates import Constraint, HardConcreteGates
from prunekit.learn.masking.harden import harden
from prunekit.learn.masking.schedule import SparsitySchedule
from prunekit.pipeline.problem import problem_of
from prunekit.recipe import Recipe

few = settings(derandomize=True, deadline=None, max_examples=20)


def gated(case, targets, round_to=4, stacks=("encoder", "decoder"), rates=(0.05, 0.02), warmup=0):
    """The problem of a tiny model, and gates of every kind over it, with a target for each part."""
    problem = problem_of(case.graph, Recipe(round_to=round_to), PruningPlan())
    blocks = problem.widths(*stacks)
    hidden = problem.pick(Kind.HIDDEN, "") if len(stacks) == 2 else []
    constraints = [
        Constraint(part, problem.sizes[part], problem.whole[part], SparsitySchedule(target, warmup))
        for part, target in targets.items()
    ]
    return problem, HardConcreteGates([*blocks, *hidden], constraints, 0, 4.6, *rates, sublayers=blocks)


def put(gates, values):
    """Set log-alphas by group name; ``name!`` is the sub-layer's own gate."""
    with torch.no_grad():
        for group, part in zip(gates.groups, gates.log_alpha.split([*gates.sizes, len(gates.sublayers)]), strict=False):
            part.fill_(values.get(group.name, 4.6))
        for name, value in values.items():
            if name.endswith("!"):
                gates.log_alpha[sum(gates.sizes) + gates.sublayers.index(name[:-1])] = value


def stay(plan, problem, kind):
    return {g.name: len(plan.of(g)) for g in problem.groups if g.kind is kind}


def overshoot(problem, plan, part, target):
    return problem.max_parameters(part, target) - problem.sizes[part].of(plan)


def largest_step(problem, plan, part, round_to):
    """The most parameters that `round_to` channels or one head of any group cost, by the real counts of two plans."""
    size, costs = problem.sizes[part], []
    for group in problem.widths("encoder", "decoder"):
        kept = plan.of(group)
        step = 1 if group.kind is Kind.HEADS else round_to
        less = PruningPlan({**plan.kept, group.name: kept[step:]})
        costs.append(size.of(plan) - size.of(less) if kept else 0)
    return max(costs)


@pytest.mark.parametrize("sparsity", [0.3, 0.6, 0.8])
@few
@given(seed=st.integers(0, 999), round_to=st.sampled_from([1, 4, 8]))
def test_any_gates_become_a_plan_on_target(every, sparsity, seed, round_to):
    problem, gates = gated(every, {"non_embedding": sparsity}, round_to)
    noise = torch.randn(len(gates.log_alpha), generator=torch.Generator().manual_seed(seed)) * 4
    with torch.no_grad():
        gates.log_alpha.copy_(noise.clamp(-4.6, 4.6))
    plan = harden(problem, gates)
    plan.validate(problem.groups)
    assert all(n % round_to == 0 or n == 20 or n == 24 for n in stay(plan, problem, Kind.FFN).values())
    assert all(n % round_to == 0 for n in stay(plan, problem, Kind.HIDDEN).values())
    over = overshoot(problem, plan, "non_embedding", sparsity)
    assert over >= 0
    assert over < largest_step(problem, plan, "non_embedding", round_to)


@few
@given(seed=st.integers(0, 999))
def test_separate_targets_are_met_one_by_one(every, seed):
    problem, gates = gated(every, {"encoder": 0.5, "decoder": 0.7}, 1)
    with torch.no_grad():
        gates.log_alpha.copy_(torch.randn(len(gates.log_alpha), generator=torch.Generator().manual_seed(seed)) * 2)
    plan = harden(problem, gates)
    for part, target in {"encoder": 0.5, "decoder": 0.7}.items():
        over = overshoot(problem, plan, part, target)
        assert 0 <= over < largest_step(problem, plan, part, 1)


def test_a_stack_without_gates_loses_nothing(every):
    problem, gates = gated(every, {"encoder": 0.6}, stacks=("encoder",))
    plan = harden(problem, gates)
    assert {g.stack for g in problem.groups if len(plan.of(g)) < len(g)} == {"encoder"}


def test_what_is_off_goes_and_what_is_on_stays(case):
    """Two attentions and one feed-forward block off, half of the dimensions, and just enough channels to fill up."""
    off = {"encoder.1.ffn!": -4.0, "decoder.2.self.heads!": -3.0, "decoder.2.cross.heads!": -4.0}
    t5 = case("t5")
    problem, gates = gated(t5, {"non_embedding": 0.62})
    put(gates, off)
    with torch.no_grad():
        at = sum(len(g) for g in gates.groups if g.kind is not Kind.HIDDEN)
        gates.log_alpha[at + 1 : at + 32 : 2] = -4.6
    plan = harden(problem, gates)
    assert plan.kept["hidden"] == tuple(range(0, 32, 2))
    assert {name for name, n in stay(plan, problem, Kind.HEADS).items() if n == 0} >= {
        "decoder.2.self.heads",
        "decoder.2.cross.heads",
    }
    assert plan.kept["encoder.1.ffn"] == ()
    assert 0 <= overshoot(problem, plan, "non_embedding", 0.62) < largest_step(problem, plan, "non_embedding", 4)


def test_sublayers_that_are_off_come_back_where_they_take_too_much(case):
    problem, gates = gated(case("t5"), {"non_embedding": 0.1})
    put(gates, {f"decoder.{n}.ffn!": -1.0 - n for n in range(4)} | {f"decoder.{n}.self.heads!": -4.0 for n in range(4)})
    plan = harden(problem, gates)
    empty = {name for name, n in stay(plan, problem, Kind.HEADS).items() if n == 0}
    assert 1 <= len(empty) < 4
    assert 0 <= overshoot(problem, plan, "non_embedding", 0.1) < largest_step(problem, plan, "non_embedding", 4)


def test_a_layer_of_which_nothing_is_left_goes_altogether(case):
    problem, gates = gated(case("t5"), {"non_embedding": 0.4})
    put(gates, {f"decoder.{n}.{block}!": -4.6 for n in (0, 2) for block in ("self.heads", "cross.heads", "ffn")})
    plan = harden(problem, gates)
    assert plan.kept["decoder.layers"] == (1, 3)
    assert "encoder.layers" not in plan.kept
    assert 0 <= overshoot(problem, plan, "non_embedding", 0.4) < largest_step(problem, plan, "non_embedding", 4)


def test_the_last_layer_of_a_stack_always_stays(case):
    problem, gates = gated(case("t5"), {"non_embedding": 0.97}, 1)
    put(gates, {f"{name}!": -4.0 for name in gates.sublayers} | {"encoder.1.ffn!": -3.0, "decoder.3.ffn!": -3.0})
    plan = harden(problem, gates)
    plan.validate(problem.groups)
    assert len(plan.kept["encoder.layers"]) == 1
    assert overshoot(problem, plan, "non_embedding", 0.97) >= 0


@pytest.mark.parametrize("sparsity", [0.6, 0.8])
def test_a_constraint_is_met_before_hardening_and_exactly_after(case, sparsity):
    """A tug of war with a task that needs some units a thousand times as much as others."""
    problem, gates = gated(case("t5"), {"non_embedding": sparsity}, warmup=500)
    optimizer = torch.optim.AdamW(gates.optimizer_groups())
    generator = torch.Generator().manual_seed(0)
    worth = {g.name: torch.rand(len(g), generator=generator) ** 3 / len(g) for g in gates.groups}
    for step in range(1200):
        optimizer.zero_grad()
        drawn = gates.draw(step)
        task = sum((value * (1 - drawn[name])).sum() for name, value in worth.items())
        (task + gates.penalty(step)).backward()
        optimizer.step()
    assert gates.figures(1200)["non_embedding_sparsity"] == pytest.approx(sparsity, abs=0.005)
    plan = harden(problem, gates)
    assert 0 <= overshoot(problem, plan, "non_embedding", sparsity) < largest_step(problem, plan, "non_embedding", 4)
