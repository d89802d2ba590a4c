"""The tiny models: small, deterministic, and so sensitive that a wrong slice shows."""

import pytest
import torch

from prunekit.testing import FAMILIES, VOCABULARY, tiny, untie


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_is_small_and_outputs_depend_on_inputs(family, batch):
    adapter, config, model = tiny(family)
    assert not model.training
    assert config.model_type in adapter.model_types
    assert 20_000 < model.num_parameters() < 100_000
    with torch.no_grad():
        first = model(**batch).logits
        ids = batch["input_ids"].clone()
        ids[:, 0] = (ids[:, 0] + 1) % VOCABULARY
        second = model(**{**batch, "input_ids": ids}).logits
    assert first.shape[-1] == VOCABULARY
    assert (first - second).abs().max() > 0.1


def test_the_same_seed_gives_the_same_weights():
    one, again, other = (tiny("t5", seed).model for seed in (0, 0, 1))
    assert all(torch.equal(left, right) for left, right in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one.shared.weight, other.shared.weight)


def test_stacks_differ_in_depth_and_bart_in_width():
    for family in ("t5", "bart"):
        adapter, config, model = tiny(family)
        encoder, decoder = (model.get_submodule(stack.path) for stack in adapter.stacks(config))
        assert (len(encoder), len(decoder)) == (3, 4)
    assert (config.encoder_ffn_dim, config.decoder_ffn_dim) == (20, 24)


def test_an_untied_head_is_a_copy_of_its_own():
    model = tiny("t5").model
    assert model.lm_head.weight is model.shared.weight
    untie(model)
    assert model.lm_head.weight is not model.shared.weight
    assert torch.equal(model.lm_head.weight, model.shared.weight)
    assert tiny("t5-gated-untied").model.lm_head.weight is not tiny("t5-gated-untied").model.shared.weight
