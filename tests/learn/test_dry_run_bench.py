"""A bench that computes nothing: strategies come to plans of the size that they aim at, and train nothing."""

import pytest
import torch

from prunekit import Recipe
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.learn.dry_run_bench import DryRunBench
from prunekit.pipeline.problem import problem_of
from prunekit_strategies.cofi import CoFi
from prunekit_strategies.depth import Depth
from prunekit_strategies.nash import Nash
from prunekit_strategies.uniform import Uniform


@pytest.fixture
def t5_graph(case):
    return case("t5").graph


@pytest.fixture
def asked(t5_graph):
    """What a strategy comes to on a tiny T5, and the phases that it would train."""

    recipe = Recipe(round_to=1)

    def ask(strategy):
        groups = t5_graph.groups
        first = DryRunBench(groups)
        upfront = strategy.upfront(problem_of(t5_graph, recipe, PruningPlan()), first)
        second = DryRunBench(groups_after(groups, upfront))
        plan = upfront.then(strategy.plan(problem_of(t5_graph, recipe, upfront), second))
        plan.validate(groups)
        return plan, [*first.phases, *second.phases]

    return ask


def kept_share(graph, plan, stack):
    size = graph.prunable_size(stack)
    return size.of(plan) / size.whole


@pytest.mark.parametrize("narrowing", ["reconstruction", "gates"])
def test_nash_keeps_as_much_as_it_is_told_to(asked, t5_graph, narrowing):
    strategy = Nash(decoder_layers=1, encoder_sparsity=0.5, narrowing=narrowing, steps=7)
    plan, phases = asked(strategy)
    assert len(plan.kept["decoder.layers"]) == 1
    assert kept_share(t5_graph, plan, "encoder") <= 0.5
    assert kept_share(t5_graph, plan, "encoder") > 0.3
    assert [phase.steps for phase in phases] == [7]
    assert (phases[0].gates is not None) == (narrowing == "gates")


def test_the_others_too(asked, t5_graph):
    plan, phases = asked(Depth(decoder_layers=1, spacing="loss"))
    assert (len(plan.kept["decoder.layers"]), phases) == (1, [])
    plan, phases = asked(Uniform(encoder_sparsity=0.5, decoder_sparsity=0.5, rounds=2, steps=9))
    assert sum(phase.steps for phase in phases) == 9
    assert kept_share(t5_graph, plan, "decoder") <= 0.5
    plan, phases = asked(CoFi(sparsity=0.5, steps=11))
    assert [phase.steps for phase in phases] == [11]
    whole = t5_graph.size_of("encoder", "decoder")
    assert whole.of(plan) <= 0.5 * whole.whole


def test_no_weight_and_no_chance_of_others_is_touched(asked):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, _ = asked(Uniform(encoder_sparsity=0.5))
    other, _ = asked(Uniform(encoder_sparsity=0.5))
    assert one == other
    assert torch.equal(torch.get_rng_state(), before)


def test_there_is_no_model_to_reach_for(t5_graph):
    with pytest.raises(AttributeError):
        _ = DryRunBench(t5_graph.groups).model
