"""Noise: exports of models that round coarsely are compared with what the model itself computes in float64."""

import copy

import pytest
import torch
import transformers

from prunekit import PrunekitError
from prunekit.conformance import ModelUnderTest
from prunekit.export import onnx_parity, parity, to_ctranslate2
from prunekit.export.ctranslate2_parity import check_ctranslate2
from prunekit.export.float_noise import NOISE, TOLERANCE, UNPROVABLE, Distance, exact_copy, noise_tolerance
from prunekit.export.onnx_parity import check_onnx
from prunekit.export.parity import check_parity
from prunekit_adapters.t5 import T5


@pytest.fixture(scope="module")
def noisy():
    """A T5 of random weights so large that the order of additions moves its scores by a thousandth."""
    config = transformers.T5Config(
        vocab_size=60,
        d_model=32,
        d_kv=8,
        num_heads=4,
        d_ff=40,
        num_layers=4,
        num_decoder_layers=4,
        decoder_start_token_id=0,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    specimen = ModelUnderTest.tiny(T5(), config, torch.float32)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in specimen.model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.5, generator=generator)
    return specimen


def wronged(model):
    """A copy in which one row of one projection of the middle of the decoder is lost."""
    other = copy.deepcopy(model)
    other.decoder.block[2].layer[1].EncDecAttention.o.weight.data[3] = 0
    return other


def reordered(model):
    """A model that computes the same in another order: hidden dimensions of feed-forward layers change places."""
    other = copy.deepcopy(model)
    order = torch.arange(39, -1, -1)
    for stack in (other.encoder, other.decoder):
        for block in stack.block:
            part = block.layer[-1].DenseReluDense
            for linear in (part.wi_0, part.wi_1):
                linear.weight.data = linear.weight.data[order]
            part.wo.weight.data = part.wo.weight.data[:, order]
    return other


def test_a_noisy_models_export_to_ctranslate2_is_right(noisy, words, tmp_path):
    pytest.importorskip("ctranslate2")
    vocabulary = to_ctranslate2.export_ctranslate2(
        noisy.model, noisy.adapter, noisy.graph, words(noisy.config), tmp_path, "float32"
    )
    found = check_ctranslate2(noisy.model, noisy.adapter, tmp_path, vocabulary, exact=True)
    assert (found.equal, found.rows) == (16, 16)
    assert TOLERANCE < found.difference < UNPROVABLE
    with pytest.raises(PrunekitError, match="differs from the pruned one"):
        check_ctranslate2(wronged(noisy.model), noisy.adapter, tmp_path, vocabulary, exact=True)


def test_a_noisy_models_graphs_are_right(noisy, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_parity, "from_onnx", lambda directory, threads: reordered(noisy.model))
    found = check_onnx(noisy.model, tmp_path, exact=True)
    assert TOLERANCE < found.difference < UNPROVABLE
    monkeypatch.setattr(onnx_parity, "from_onnx", lambda directory, threads: wronged(noisy.model))
    with pytest.raises(PrunekitError, match="differs from the pruned one"):
        check_onnx(noisy.model, tmp_path, exact=True)


def test_a_noisy_models_plain_export_is_right(noisy, monkeypatch):
    """Whose rounding differs little on few short inputs, so that the fixed tolerance is lowered here."""
    monkeypatch.setitem(parity.ALARM, torch.float32, 1e-6)
    found = check_parity(noisy.model, reordered(noisy.model), noisy.adapter)
    assert found.difference > 1e-6
    with pytest.raises(PrunekitError, match="differs from the pruned one"):
        check_parity(noisy.model, wronged(noisy.model), noisy.adapter)


def test_distances_are_shares_of_the_largest_score():
    expected, found = torch.tensor([[-4.0, 2.0]]), torch.tensor([[-3.0, 2.5]])
    assert Distance.between([(expected, found)]) == Distance(1 / 4, 0.75 / 4)
    small = torch.tensor([0.5, 0.25])
    assert Distance.between([(expected, found), (small, small + 0.5)]) == Distance(0.5, 0.5)


@pytest.mark.parametrize(
    ("found", "noise", "tolerance"),
    [
        (Distance(1e-3, 1e-5), Distance(5e-4, 1e-5), NOISE * 5e-4),
        (Distance(1e-3, 5e-5), Distance(5e-4, 1e-5), TOLERANCE),  # no further at most, but on average
        (Distance(1e-3, 1e-9), Distance(1e-6, 1e-8), TOLERANCE),  # never less than the fixed one
        (Distance(float("nan"), float("nan")), Distance(5e-4, 1e-5), TOLERANCE),
    ],
)
def test_the_tolerance_is_a_multiple_of_the_noise(found, noise, tolerance):
    assert noise_tolerance(found, lambda: noise) == tolerance


def test_what_noise_hides_is_not_called_right():
    with pytest.raises(PrunekitError, match=r"differs .* by 1\.0e-02 .* own copy in float64 \(by 5\.0e-02\)"):
        noise_tolerance(Distance(1e-2, 1e-3), lambda: Distance(0.05, 1e-2))


def test_a_copy_computes_in_twice_the_precision(case):
    model = case("t5").model
    exact = exact_copy(model)
    assert {parameter.dtype for parameter in exact.parameters()} == {torch.float64}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
