"""The model under test: its weights, its inputs, its plans, and what it cannot do."""

import pytest
import torch
from transformers import BartConfig, MarianConfig

from prunekit.conformance.model_under_test import (
    ModelUnderTest,
    count_results,
    enlarge,
    fitting,
    random_plan,
    random_plans,
)
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.testing.models import BART_SIZES
from prunekit_adapters.bart import Bart

SIZES = {**BART_SIZES, "vocab_size": 60}


@pytest.fixture(scope="module")
def specimen():
    return ModelUnderTest.tiny(Bart(), BartConfig(**SIZES))


def test_weights_are_large_the_same_each_time_and_in_double_precision(specimen):
    again = ModelUnderTest.tiny(Bart(), BartConfig(**SIZES))
    for (name, one), (_, other) in zip(specimen.model.named_parameters(), again.model.named_parameters(), strict=True):
        assert torch.equal(one, other), name
        assert one.dtype is torch.float64
        assert float(one.detach().std()) > 0.15, name
    assert not specimen.model.training


def test_what_no_checkpoint_holds_is_not_drawn():
    """Marian's positions are sinusoids, computed when the model is built."""
    model = ModelUnderTest.tiny(Bart(), MarianConfig(**SIZES, pad_token_id=0, decoder_start_token_id=0)).model
    table = model.model.encoder.embed_positions.weight
    torch.testing.assert_close(table[1, 0], torch.tensor(1.0).double().sin(), atol=1e-6, rtol=0)


def test_a_seed_makes_other_weights():
    one, other = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
    enlarge(one, 0)
    enlarge(other, 1)
    assert not torch.equal(one.weight, other.weight)


def test_inputs_and_logits(specimen):
    assert specimen.batch["decoder_input_ids"].shape == (3, 6)
    assert specimen.logits(specimen.model).shape == (3, 6, 60)
    assert specimen.vocabulary_size == 60
    assert specimen.tokens(specimen.model, "greedy").shape[0] == 3


def test_a_plan_for_the_vocabulary_keeps_what_inputs_and_configs_name(specimen):
    (group,) = specimen.groups(Kind.VOCABULARY)
    kept = set(specimen.vocabulary_plan(group, 0).kept["vocabulary"])
    assert set(specimen.batch["input_ids"].flatten().tolist()) <= kept
    assert {specimen.config.eos_token_id, specimen.config.pad_token_id} <= kept
    assert len(kept) < 60


def test_values_that_modules_return(specimen):
    paths = ["model.encoder.layers.0.self_attn", "model.encoder.layers.0.fc1"]
    assert specimen.results(paths) == {paths[0]: 2, paths[1]: 1}
    assert count_results(specimen.model, paths, lambda: None) == {}
    assert not specimen.model.get_submodule(paths[0])._forward_hooks


def test_ways_in_which_the_model_cannot_generate(specimen):
    broken = ModelUnderTest(specimen.adapter, specimen.config, specimen.model)
    assert broken.unsupported == {}
    broken = ModelUnderTest(specimen.adapter, specimen.config, specimen.model)
    generate = specimen.model.generate

    def no_beams(**given):
        if given.get("num_beams"):
            raise ValueError("no beams")
        return generate(**given)

    specimen.model.generate = no_beams
    try:
        assert broken.unsupported == {"beam": "ValueError: no beams"}
    finally:
        del specimen.model.generate


def test_random_plans_are_irregular_and_leave_no_stream_without_dimensions(specimen):
    groups = specimen.groups()
    plans = list(random_plans(groups, 6))
    assert plans == [random_plan(groups, seed) for seed in range(6)]
    assert len(set(plans)) == 6
    for plan in plans:
        plan.validate(specimen.graph.groups)
    assert any(() in plan.kept.values() for plan in plans)


def test_a_stack_whose_dimensions_the_model_drops_is_left_out():
    outer = PruningGroup("hidden", Kind.HIDDEN, "", (0, 1))
    inner = PruningGroup("encoder.hidden", Kind.HIDDEN, "encoder", (0, 1), within="hidden")
    plan = PruningPlan({"hidden": (0,), "encoder.hidden": (1,)})
    assert fitting(plan, [outer, inner]) == PruningPlan({"hidden": (0,)})


def test_copies_are_cut(specimen):
    small = specimen.cut(PruningPlan({"encoder.0.ffn": (0,)}))
    assert small.model.encoder.layers[0].fc1.weight.shape == (1, 32)
    assert specimen.model.model.encoder.layers[0].fc1.weight.shape == (20, 32)
