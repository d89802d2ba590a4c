"""Parity of two models of transformers, and the sentences about it."""

import copy

import pytest
import torch

from prunekit import PrunekitError
from prunekit.export.parity import Parity, check_parity, parity_error


def test_a_model_compares_equal_to_its_copy(every):
    found = check_parity(every.model, copy.deepcopy(every.model), every.adapter)
    assert (found.difference, found.equal, found.rows) == (0.0, 4, 4)


def test_one_weight_more_is_another_model(case):
    t5 = case("t5")
    other = copy.deepcopy(t5.model)
    other.decoder.block[0].layer[1].EncDecAttention.v.weight.data[0, 0] += 0.5
    with pytest.raises(PrunekitError, match=r"differs from the pruned one \(logits by .* of the largest, tokens"):
        check_parity(t5.model, other, t5.adapter)


def test_a_smaller_vocabulary_than_the_configs_is_asked_only_for_its_own_tokens(case):
    t5 = case("t5")
    model = copy.deepcopy(t5.model)
    model.config.vocab_size = 10_000
    assert check_parity(model, copy.deepcopy(model), t5.adapter).difference == 0.0
    assert model.config.vocab_size == 10_000


@pytest.mark.parametrize(
    ("parity", "text"),
    [
        (Parity(2.1e-6, 16, 16), "scores differ by 2.1e-06, greedy tokens are equal for 16 of 16 inputs."),
        (
            Parity(0.02, 3, 4, 0.0512, 0.987),
            "scores differ by 2.0e-02, greedy tokens are equal for 3 of 4 inputs. Log-probabilities differ by 0.051 on "
            "average, and 98.7% of the greedy tokens are those that the model would have chosen next.",
        ),
    ],
)
def test_what_is_reported(parity, text):
    assert parity.describe() == text


@pytest.mark.parametrize(
    ("equal", "text"), [(True, ", tokens equal)"), (False, ", tokens different)"), (None, "1e-1)")]
)
def test_the_error_says_what_differs(equal, text):
    assert text in str(parity_error("logits by 1e-1", equal))


def test_nothing_is_hidden_by_a_nan(case):
    t5 = case("t5")
    broken = copy.deepcopy(t5.model)
    broken.shared.weight.data[5] = torch.nan
    with pytest.raises(PrunekitError):
        check_parity(t5.model, broken, t5.adapter)
