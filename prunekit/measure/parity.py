"""Does an exported model say what the pruned one says? Scores and tokens of both, on the same random inputs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from prunekit.cut.onnx_model import from_onnx
from prunekit.errors import PrunekitError, told
from prunekit.find.adapter import Adapter
from prunekit.measure.equivalence import ALARM, compare, observe
from prunekit.measure.quality import evaluating, generating
from prunekit.measure.workload import random_text
from prunekit.recipe import Workload

ROWS, LENGTH, NEW_TOKENS = 16, 12, 12

TEXTS = ((1, 800), (1, 1), (4, 5), (10, LENGTH))
"""Rows and longest length of batches so unlike that no graph passes that took a length, or a way to attend that depends
on it, for a constant. The long one comes first: some models change their ways for good after a short one."""

APART = 1e-4
"""How far log-probabilities of a token may be apart in float32, as a share of the largest where that is above 1."""


@dataclass(frozen=True)
class Parity:
    """How an export compares. Example: ``Parity(2.1e-06, 16, 16)``: all of 16 inputs have equal greedy tokens."""

    difference: float
    equal: int
    rows: int


def of_models(one: PreTrainedModel, other: PreTrainedModel, adapter: Adapter) -> Parity:
    """Two models of transformers; raises `PrunekitError` where logits or tokens differ by more than rounding."""
    inputs = adapter.encoder_inputs(one.config, 4)
    batch = {**inputs, "decoder_input_ids": torch.tensor([[3, 4, 5, 6]]).repeat(4, 1)}
    found = compare(observe(one, [batch]), observe(other, [batch]))
    if found.max_rel_diff > ALARM[one.dtype] or not found.tokens_equal:
        raise PrunekitError(_refused(f"logits by {found.max_rel_diff:.1e} of the largest", found.tokens_equal))
    return Parity(found.max_rel_diff, 4, 4)


def of_translator(model: PreTrainedModel, directory: Path, vocabulary: list[str], exact: bool) -> Parity:
    """A model of transformers and its export to CTranslate2, which scores and greedily decodes random inputs.

    Raises `PrunekitError` where it is to be `exact` and log-probabilities differ by more than `APART`.
    """
    import ctranslate2

    translator = ctranslate2.Translator(str(directory), device="cpu")
    config: Any = model.config
    sources, targets = (
        random_text((model,), Workload(batch=ROWS, source=LENGTH), seed)["input_ids"] % len(vocabulary)
        for seed in (0, 1)
    )
    words = [[[vocabulary[token] for token in row] for row in ids.tolist()] for ids in (sources, targets)]
    settings = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    prefix = [] if settings["decoder_start_token"] else [vocabulary[config.decoder_start_token_id]]  # mBART's language
    words[1] = [[*prefix, *row] for row in words[1]]
    try:
        scored = translator.score_batch(*words)
    except (RuntimeError, ValueError) as error:
        raise PrunekitError(f"CTranslate2 cannot run what was exported, so nothing was written: {error}") from error
    found = torch.tensor([result.log_probs for result in scored])
    expected = _scores(model, sources, targets, len(vocabulary))[:, : found.shape[1]]
    difference = _apart(expected, found)
    if exact and not difference <= APART:
        raise PrunekitError(_refused(f"log-probabilities by {difference:.1e}", None))
    decoded = translator.translate_batch(
        words[0],
        target_prefix=[prefix] * ROWS if prefix else None,
        beam_size=1,
        min_decoding_length=0,
        max_decoding_length=NEW_TOKENS,
    )
    answers = _greedy(model, sources, len(vocabulary))
    said = [_until(row.tolist()[1:], config.eos_token_id, vocabulary) for row in answers]
    equal = sum(result.hypotheses[0] == tokens for result, tokens in zip(decoded, said, strict=True))
    return Parity(difference, equal, ROWS)


def of_graphs(model: PreTrainedModel, directory: Path, exact: bool) -> Parity:
    """A model of transformers and its export to ONNX, on texts of several lengths, some of them padded.

    Log-probabilities of given targets are compared, and those by which both write the same. Raises `PrunekitError`
    where it is to be `exact` and they differ by more than `APART`, or greedy tokens do.
    """
    batches = [_texts(model, rows, min(length, _longest(model))) for rows, length in TEXTS]
    one = observe(model, batches)
    try:
        other = observe(from_onnx(directory, torch.get_num_threads()), batches)
    except Exception as error:  # ONNX Runtime's errors share no ancestor
        raise PrunekitError(f"ONNX Runtime cannot run what was exported: {told(error)[:300]}") from error
    same = [_equal(*both) for both in zip(one.tokens, other.tokens, strict=True)]
    pairs = [*zip(one.logits, other.logits, strict=True)]
    pairs += [(a[rows], b[rows]) for a, b, rows in zip(one.scores, other.scores, same, strict=True) if rows.any()]
    difference = max(_apart(a.log_softmax(-1), b.log_softmax(-1)) for a, b in pairs)
    agreed = compare(one, other).tokens_equal
    if exact and not (difference <= APART and agreed):
        raise PrunekitError(_refused(f"log-probabilities by {difference:.1e}", agreed))
    return Parity(difference, sum(int(rows.sum()) for rows in same), sum(len(rows) for rows in same))


def _texts(model: PreTrainedModel, rows: int, length: int) -> dict[str, Tensor]:
    """So many texts, the first one of full `length`, each of the next a token shorter, and random targets."""
    drawn = [random_text((model,), Workload(batch=rows, source=length), seed)["input_ids"] for seed in (0, 1)]
    mask = torch.arange(length) < length - torch.arange(rows)[:, None] % length
    padded = drawn[0].where(mask, cast(Any, model.config).pad_token_id or 0)
    return {"input_ids": padded, "attention_mask": mask.long(), "decoder_input_ids": drawn[1][:, :LENGTH]}


def _longest(model: PreTrainedModel) -> int:
    """Tokens that surely fit into the model's input: a table may keep some of its positions to itself."""
    return min(_positions(model.config.to_dict()), default=1024) * 7 // 8


def _positions(config: Mapping[str, Any]) -> Iterator[int]:
    """What a config and those inside it say of positions."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _positions(value)
        elif str(key).startswith("max_") and "position" in key and isinstance(value, int):
            yield value


def _equal(one: Tensor, other: Tensor) -> Tensor:
    """Which rows [rows] of two tables of tokens are the same."""
    if one.shape != other.shape:
        return torch.zeros(len(one), dtype=torch.bool)
    return (one == other).all(dim=1)


def _apart(expected: Tensor, found: Tensor) -> float:
    """The largest difference, as a share of the largest value where that is above 1."""
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1))


def _scores(model: PreTrainedModel, sources: Tensor, targets: Tensor, words: int) -> Tensor:
    """Log-probabilities [rows, tokens + 1] of the targets and of the end, among the first so many `words`."""
    config: Any = model.config
    start, end = (
        torch.full((len(targets), 1), token) for token in (config.decoder_start_token_id, config.eos_token_id)
    )
    with evaluating(model):
        logits = model(input_ids=sources, decoder_input_ids=torch.cat([start, targets], dim=1), use_cache=False).logits
    labels = torch.cat([targets, end], dim=1)
    scores: Tensor = logits[..., :words].float().log_softmax(-1).gather(-1, labels[..., None])[..., 0]
    return scores


def _greedy(model: PreTrainedModel, sources: Tensor, words: int) -> Tensor:
    """New tokens for each row, of the first so many `words`, by the scores alone."""
    own, generator = model.config, cast(Any, model)
    keys = ("pad_token_id", "eos_token_id", "decoder_start_token_id")
    table = generator.get_output_embeddings()
    beyond = list(range(words, len(table.weight))) or None  # Marian's padding, which CTranslate2 leaves out
    given = {"max_new_tokens": NEW_TOKENS, "suppress_tokens": beyond, **{key: getattr(own, key) for key in keys}}
    plain = GenerationConfig.from_dict(given)
    with generating(model, plain):
        answers: Tensor = generator.generate(input_ids=sources, attention_mask=torch.ones_like(sources))
    return answers


def _until(ids: list[int], end: int, vocabulary: list[str]) -> list[str]:
    """The tokens before the end."""
    return [vocabulary[token] for token in (ids[: ids.index(end)] if end in ids else ids)]


def _refused(how: str, tokens_equal: bool | None) -> str:
    tokens = "" if tokens_equal is None else f", tokens {'equal' if tokens_equal else 'different'}"
    return f"The exported model differs from the pruned one ({how}{tokens}), so nothing was written; please report it."
