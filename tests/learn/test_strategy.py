"""Strategies as options: presets, refusals, and the order in which options are shown."""

import pytest
from pydantic import Field

from prunekit import DistillationWeights, PruningPlan, Strategy
from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind
from prunekit.learn.strategy import Problem, build, options_in_order
from prunekit.testing import tiny


class Method(Strategy, DistillationWeights):
    """Has options of its own, inherited ones, and one of those with another default."""

    presets = {"strong": {"sparsity": 0.75, "logits": 0.0}}
    preset: str = Field("none", description="which defaults")
    sparsity: float = Field(0.5, ge=0, lt=1, description="share to remove")
    temperature: float = Field(1.0, gt=0, description="temperature")


def test_a_presets_options_lie_below_those_that_are_given():
    assert build(Method, {}).sparsity == 0.5
    strong = build(Method, {"preset": "strong", "logits": 0.25})
    assert (strong.sparsity, strong.logits, strong.temperature) == (0.75, 0.25, 1.0)
    assert build(Method, strong.model_dump()) == strong


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sparsty": 0.3}, r"Strategy method: There is no key 'sparsty' here; did you mean 'sparsity'\?"),
        ({"sparsity": 1.0}, r"Strategy method: sparsity: Input should be less than 1 \(got 1.0\)"),
        ({"temperature": 0}, r"Strategy method: temperature: Input should be greater than 0"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_sentence(options, sentence):
    with pytest.raises(PrunekitError, match=sentence) as error:
        build(Method, options)
    assert "\n" not in str(error.value)


def test_a_methods_own_options_come_before_inherited_ones():
    assert list(options_in_order(Method)) == [
        "preset",
        "sparsity",
        "temperature",
        "cross_entropy",
        "logits",
        "encoder_hidden",
        "decoder_hidden",
    ]
    assert options_in_order(Method)["temperature"].default == 1.0


def test_a_strategy_prunes_nothing_upfront_and_must_have_a_plan():
    problem = Problem((), {}, {})
    assert Method().upfront(problem, None) == PruningPlan()
    with pytest.raises(NotImplementedError):
        Method().plan(problem, None)


def test_a_problem_picks_groups_that_can_be_pruned_and_counts_what_may_be_kept(case):
    groups = case("t5").graph.groups
    problem = Problem(groups, {}, {"encoder": 1000})
    widths = problem.widths("decoder")
    assert {group.kind for group in widths} == {Kind.HEADS, Kind.FFN}
    assert {group.stack for group in widths} == {"decoder"}
    assert len(widths) == 3 * tiny("t5").config.num_decoder_layers
    assert problem.layers("encoder").ids == (0, 1, 2)
    assert problem.max_parameters("encoder", 0.25) == 750
