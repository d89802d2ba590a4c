"""Parity with ONNX Runtime: scores and tokens of the graphs and of the model, on texts of several lengths."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunekit.data.processors import Hints, no_hints
from prunekit.errors import PrunekitError, error_line
from prunekit.export.float_noise import TOLERANCE, Distance, exact_copy, noise_tolerance
from prunekit.export.onnx_model import from_onnx
from prunekit.export.parity import Parity, parity_error
from prunekit.latency.workload import random_text
from prunekit.measure.equivalence import compare_outputs, record_outputs
from prunekit.recipe import Workload

LENGTH = 12
"""Tokens that are given to the decoder, and the length of most texts."""

BATCHES = ((1, 800), (1, 1), (4, 5), (10, LENGTH))
"""Rows and longest length of batches that differ so much that no graph passes that took a length, or a kind of
attention that depends on it, for a constant. The long one comes first: some models attend in another way after a short
one."""


def check_onnx(model: PreTrainedModel, directory: Path, exact: bool, hints: Hints = no_hints) -> Parity:
    """A model of transformers and its export to ONNX, on texts of several lengths, some of them padded.

    The model is given the `hints` that its architecture wants beside a text; the export makes them itself. Compared are
    log-probabilities of given targets, and those of the greedy tokens where both generate the same. Raises
    `PrunekitError` where the export is to be `exact` and they differ by more than `TOLERANCE` or, where that is more, a
    multiple of the model's own float noise (`prunekit.export.float_noise`), or greedy tokens do.
    """
    batches = [_random_batch(model, rows, min(length, _longest_source(model))) for rows, length in BATCHES]
    asked = [{**batch, **hints(batch)} for batch in batches]
    one = record_outputs(model, asked)
    try:
        other = record_outputs(from_onnx(directory, torch.get_num_threads()), batches)
    except Exception as error:  # ONNX Runtime's errors share no ancestor
        raise PrunekitError(
            "ONNX Runtime cannot run what was exported, so nothing was written; export the model with --to plain "
            f"({error_line(error, 300)})."
        ) from error
    same = [_equal_rows(*both) for both in zip(one.tokens, other.tokens, strict=True)]
    pairs = [*zip(one.logits, other.logits, strict=True)]
    pairs += [(a[rows], b[rows]) for a, b, rows in zip(one.scores, other.scores, same, strict=True) if rows.any()]
    found = _apart(pairs)
    agreed = compare_outputs(one, other).tokens_equal
    tolerance = TOLERANCE
    if exact and not found.largest <= tolerance:
        tolerance = noise_tolerance(found, lambda: _apart(zip(one.logits, _exact_logits(model, asked), strict=True)))
    if exact and not (found.largest <= tolerance and agreed):
        raise parity_error(f"log-probabilities by {found.largest:.1e}", agreed)
    return Parity(found.largest, sum(int(rows.sum()) for rows in same), sum(len(rows) for rows in same))


def _apart(pairs: Iterable[tuple[Tensor, Tensor]]) -> Distance:
    """How far the log-probabilities of pairs of logits are apart."""
    return Distance.between((a.log_softmax(-1), b.log_softmax(-1)) for a, b in pairs)


def _exact_logits(model: PreTrainedModel, batches: list[dict[str, Tensor]]) -> tuple[Tensor, ...]:
    """The logits of the model's exact copy."""
    return record_outputs(exact_copy(model), batches).logits


def _random_batch(model: PreTrainedModel, rows: int, length: int) -> dict[str, Tensor]:
    """`rows` texts, the first one of full `length`, each of the next a token shorter, and random targets."""
    drawn = [random_text((model,), Workload(batch=rows, source=length), seed)["input_ids"] for seed in (0, 1)]
    mask = torch.arange(length) < length - torch.arange(rows)[:, None] % length
    padded = drawn[0].where(mask, cast(Any, model.config).pad_token_id or 0)
    return {"input_ids": padded, "attention_mask": mask.long(), "decoder_input_ids": drawn[1][:, :LENGTH]}


def _longest_source(model: PreTrainedModel) -> int:
    """Tokens that surely fit into the model's input: a table may reserve some of its positions."""
    return min(_position_limits(model.config.to_dict()), default=1024) * 7 // 8


def _position_limits(config: Mapping[str, Any]) -> Iterator[int]:
    """The numbers of positions that a config and those inside it name."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _position_limits(value)
        elif str(key).startswith("max_") and "position" in key and isinstance(value, int):
            yield value


def _equal_rows(one: Tensor, other: Tensor) -> Tensor:
    """Which rows [rows] of two tables of tokens are the same."""
    if one.shape != other.shape:
        return torch.zeros(len(one), dtype=torch.bool)
    return (one == other).all(dim=1)
