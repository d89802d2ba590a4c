"""Does an exported model say what the pruned one says? Scores and tokens of both, on the same random inputs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.measure.equivalence import ALARM, compare, observe
from prunekit.measure.quality import evaluating, generating
from prunekit.measure.workload import random_text
from prunekit.recipe import Workload

ROWS, LENGTH, NEW_TOKENS = 16, 12, 12

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
    difference = float((found - expected).abs().max() / expected.abs().max().clamp(min=1))
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
