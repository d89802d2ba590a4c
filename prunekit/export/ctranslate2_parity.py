"""Parity with CTranslate2: log-probabilities and greedy tokens of the engine and of the model, on random inputs.

The model scores the engine's output teacher-forced, so that one early mismatch does not cascade: a greedy token counts
as equal where it is the likeliest for the model too, given the engine's tokens before it. Ties count as equal.
"""

from pathlib import Path

import torch
from transformers import PreTrainedModel

from prunekit.errors import PrunekitError
from prunekit.export.ctranslate2_backends import Backend, TranslatorBackend, WhisperBackend
from prunekit.export.parity import TOLERANCE, Parity, parity_error
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
    twice that.
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
    apart = (found - expected).abs()
    difference = float(apart.max()) / largest
    right = [gap <= 2 * TOLERANCE * largest for gap in gaps]
    equal = sum(bool(row.all()) for row in right)
    if not exact:
        return Parity(difference, equal, len(right), float(apart.mean()), float(torch.cat(right).float().mean()))
    if not difference <= TOLERANCE or equal < len(right):
        raise parity_error(f"log-probabilities by {difference:.1e}", equal == len(right))
    return Parity(difference, equal, len(right))
