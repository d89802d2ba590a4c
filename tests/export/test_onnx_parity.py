"""Parity with ONNX Runtime: another model in the place of the graphs is found, whatever it is that differs."""

import copy

import pytest
import torch

from prunekit import PrunekitError
from prunekit.export import onnx_parity
from prunekit.export.onnx_parity import check_onnx


@pytest.fixture
def answers(monkeypatch):
    """Lets a model of torch stand for the graphs."""
    return lambda model: monkeypatch.setattr(onnx_parity, "from_onnx", lambda directory, threads: model)


def test_the_model_itself(case, answers, tmp_path):
    answers(copy.deepcopy(case("t5").model))
    found = check_onnx(case("t5").model, tmp_path, exact=True)
    assert (found.difference, found.equal, found.rows) == (0.0, 16, 16)


def test_one_weight_more(case, answers, tmp_path):
    other = copy.deepcopy(case("t5").model)
    other.decoder.block[0].layer[1].EncDecAttention.v.weight.data[0, 0] += 0.5
    answers(other)
    with pytest.raises(PrunekitError, match=r"differs from the pruned one \(log-probabilities by"):
        check_onnx(case("t5").model, tmp_path, exact=True)
    found = check_onnx(case("t5").model, tmp_path, exact=False)
    assert found.difference > 1e-4
    assert found.rows == 16


def test_tokens_alone_are_reason_enough(case, answers, tmp_path):
    """Graphs that score rightly, and a `generate` that gives another first token."""
    other = copy.deepcopy(case("t5").model)
    generate = other.generate

    def odd(*args, **kwargs):
        output = generate(*args, **kwargs)
        tokens = getattr(output, "sequences", output)
        tokens[:, 1] = (tokens[:, 1] + 1) % 60
        return output

    other.generate = odd
    answers(other)
    with pytest.raises(PrunekitError, match="tokens different"):
        check_onnx(case("t5").model, tmp_path, exact=True)


def test_graphs_that_fail_are_one_sentence(case, answers, tmp_path):
    other = copy.deepcopy(case("t5").model)
    other.forward = lambda *args, **kwargs: torch.zeros(2) @ torch.zeros(3)
    answers(other)
    with pytest.raises(PrunekitError, match=r"ONNX Runtime cannot run what was exported, so nothing was written"):
        check_onnx(case("t5").model, tmp_path, exact=True)
