"""Workloads: every token is made, from sources that all models know."""

import copy

import pytest
import torch

from prunekit.data.text import TextProcessor
from prunekit.errors import PrunekitError
from prunekit.latency.workload import (
    check_workloads,
    example_input_maker,
    generate_fixed,
    input_maker_for,
    plain_tokens,
    random_text,
)
from prunekit.recipe import TaskSection, Workload
from prunekit_adapters.bart import Bart


def favour(model, token: int):
    """Make `token` the best choice at every step."""

    def hook(module, args, logits):
        logits[..., token] += 1e4
        return logits

    model.get_output_embeddings().register_forward_hook(hook)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_a_model_that_wants_to_stop_makes_every_token(request, family, beams):
    model = request.getfixturevalue(family)
    favour(model, model.config.eos_token_id)
    ids = torch.randint(5, 130, (2, 7))
    assert model.generate(input_ids=ids, max_new_tokens=6).shape[1] <= 4  # it does stop on its own
    assert generate_fixed(model, {"input_ids": ids}, Workload(batch=2, source=7, new_tokens=6, beams=beams)).shape == (
        2,
        1 + 6,
    )


def test_nothing_is_forced_and_the_models_config_comes_back(bart):
    favour(bart, 77)
    own = bart.generation_config
    own.max_length, own.min_length, own.num_beams, own.do_sample = 3, 2, 4, True
    made = generate_fixed(bart, {"input_ids": torch.randint(5, 130, (1, 7))}, Workload(source=7, new_tokens=5))
    assert made.tolist() == [[1, 77, 77, 77, 77, 77]]
    assert bart.generation_config is own


def test_sources_are_seeded_plain_ids_that_both_models_know(t5, bart):
    t5.config.suppress_tokens = [9, 10]
    bart.resize_token_embeddings(12)
    work = Workload(batch=50, source=40)
    ids = random_text((t5, bart), work, seed=3)["input_ids"]
    assert ids.shape == (50, 40)
    assert set(ids.flatten().tolist()) == {3, 4, 5, 6, 7, 8, 11}  # neither 0, 1, 2 nor what is suppressed
    assert torch.equal(ids, random_text((t5, bart), work, seed=3)["input_ids"])
    assert not torch.equal(ids, random_text((t5, bart), work, seed=4)["input_ids"])


def test_a_workload_beyond_learned_positions_is_refused(t5, bart):
    check_workloads(bart, [Workload(source=40, new_tokens=40)])
    check_workloads(t5, [Workload(source=9000)])
    for work in (Workload(source=41, new_tokens=2), Workload(source=2, new_tokens=41)):
        with pytest.raises(PrunekitError, match="has 41 tokens, but the model has positions for 40; shorten"):
            check_workloads(bart, [work])


def test_the_longest_workload_that_passes_the_check_runs(bart):
    work = Workload(source=40, new_tokens=40)
    assert generate_fixed(bart, random_text((bart,), work, 0), work).shape == (1, 41)


def test_inputs_hold_what_the_architecture_wants_beside_them(bart, letters):
    class Hinting(Bart):
        def attention_hints(self, config, batch):
            return {"twice": batch["input_ids"] * 2}

    processor = TextProcessor(letters, TaskSection()).with_hints(lambda batch: Hinting().attention_hints(None, batch))
    for maker in (example_input_maker(Hinting()), input_maker_for(processor)):
        inputs = maker([bart], Workload(batch=2, source=5), 0)
        assert torch.equal(inputs["twice"], inputs["input_ids"] * 2)


def test_plain_tokens_are_those_of_both_sides_or_of_one(case):
    """A model that writes fewer tokens than it reads is given only those that it knows on either side."""
    model = copy.deepcopy(case("bart").model)
    model.set_output_embeddings(torch.nn.Linear(model.config.d_model, 45, bias=False))
    both, read = plain_tokens((model,)), plain_tokens((model,), 60)
    assert (max(both), max(read)) == (44, 59)
    assert not {model.config.pad_token_id, model.config.eos_token_id} & {*read}
    assert both == [token for token in read if token < 45]
