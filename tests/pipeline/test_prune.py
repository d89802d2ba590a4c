"""Pruning in Python, without a recipe."""

import copy

import pytest
import torch

import prunekit
from prunekit import PrunekitError, PruningPlan
from prunekit.loading.pretrained import open_config, open_model
from prunekit_adapters.t5 import T5


def test_a_model_is_cut_in_place(case):
    t5 = case("t5")
    model = copy.deepcopy(t5.model)
    plan = PruningPlan({"decoder.layers": (0,)})
    assert prunekit.prune(model, plan, t5.adapter) is model
    assert model.num_parameters() == t5.graph.size.of(plan)


def test_tokens_without_a_corpus_are_removed_from_model_and_tokenizer(t5_directory, letters):

    model = open_model(t5_directory, open_config(t5_directory), T5(), torch.float32)
    dense = copy.deepcopy(model)
    small, tokenizer = prunekit.prune_vocabulary(model, letters, T5(), ["a b c"], ["c b a"], keep=["z"])
    assert small.shared.num_embeddings == len(tokenizer) < dense.shared.num_embeddings
    before = torch.tensor([letters("a b c")["input_ids"]])
    after = torch.tensor([tokenizer("a b c")["input_ids"]])
    with torch.no_grad():
        one = dense(input_ids=before, labels=before, use_cache=False).logits
        other = small(input_ids=after, labels=after, use_cache=False).logits
    kept = [letters.get_vocab()[word] for word, _ in sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])]
    torch.testing.assert_close(one[..., kept], other, atol=1e-5, rtol=1e-5)


def test_a_tokenizer_of_a_larger_model_is_refused(case, letters):
    t5 = case("t5")
    larger = copy.deepcopy(letters)
    larger.add_tokens([f"word{n}" for n in range(100)])
    with pytest.raises(PrunekitError, match="more tokens than the model"):
        prunekit.prune_vocabulary(copy.deepcopy(t5.model), larger, t5.adapter, ["a"])
