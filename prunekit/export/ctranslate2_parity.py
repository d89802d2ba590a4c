"""Parity with CTranslate2: log-probabilities and greedy tokens of the engine and of the model, on random inputs.

The model scores the engine's output teacher-forced, so that one early mismatch does not cascade: a greedy token counts
as equal where it is the likeliest for the model too, given the engine's tokens before it. Ties count as equal.
"""

from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunekit.errors import PrunekitError
from prunekit.export.ctranslate2_backends import Backend, TranslatorBackend
from prunekit.export.float_noise import TOLERANCE, Distance, exact_copy, noise_tolerance
from prunekit.export.parity import Parity, parity_error
from prunekit.export.whisper_backend import WhisperBackend
from prunekit.find.adapter import Adapter

TEXTS = 16
RECORDINGS = 4
"""Inputs of either modality that are compared unless the caller says how many."""


def check_ctranslate2(
    model: PreTrainedModel, adapter: Adapter, directory: Path, vocabulary: list[str], exact: bool, rows: int = 0
) -> Parity:
    """Compare a model with its export to CTranslate2 in `directory`, on `rows` inputs; 0 takes a default.

    `vocabulary` names the tokens in order. Raises `PrunekitError` where the export is to be `exact` and
    log-probabilities differ by more than `TOLERANCE`, or a greedy token is less likely than the likeliest by more than
    twice that; a model that is noisier itself is allowed a multiple of its noise (`prunekit.export.float_noise`).
    """
    try:
        if model.main_input_name == "input_ids":
            backend: Backend = TranslatorBackend(model, directory, vocabulary, rows or TEXTS)
        else:
            backend = WhisperBackend(model, adapter, directory, vocabulary, rows or RECORDINGS)
        found, expected = backend.score_forced()
        gaps = backend.decode_greedy()
    except (RuntimeError, ValueError) as error:
        raise PrunekitError(f"CTranslate2 cannot run what was exported, so nothing was written: {error}") from error
    largest = float(expected.abs().max().clamp(min=1))
    apart = Distance.between([(expected, found)])
    right = _likeliest(gaps, TOLERANCE * largest)
    equal = sum(bool(row.all()) for row in right)
    if not exact:
        mean = float((found - expected).abs().mean())
        return Parity(apart.largest, equal, len(right), mean, float(torch.cat(right).float().mean()))
    if not apart.largest <= TOLERANCE or equal < len(right):
        tolerance = noise_tolerance(apart, lambda: _noise(backend, model, expected))
        equal = sum(bool(row.all()) for row in _likeliest(gaps, tolerance * largest))
        if not apart.largest <= tolerance or equal < len(right):
            raise parity_error(f"log-probabilities by {apart.largest:.1e}", equal == len(right))
    return Parity(apart.largest, equal, len(right))


def _likeliest(gaps: list[Tensor], tolerance: float) -> list[Tensor]:
    """Which greedy tokens of each input are as likely for the model as its likeliest, within twice a tolerance."""
    return [gap <= 2 * tolerance for gap in gaps]


def _noise(backend: Backend, model: PreTrainedModel, scores: Tensor) -> Distance:
    """How far the model's own scores are from those of its exact copy."""
    exact = backend.score_by(exact_copy(model))
    return Distance.between([(scores, exact[:, : scores.shape[1]])])
