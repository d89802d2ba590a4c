"""Does CTranslate2 say what the pruned model says? Log-probabilities and greedy tokens of both, on random inputs.

The model is not let loose: it scores what the engine has said, and greedy tokens are equal where each of the engine's
is the likeliest for the model too. So one flip is one flip, and a tie is no flip.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from prunekit._support.modes import evaluation_mode
from prunekit.errors import PrunekitError
from prunekit.export.parity import APART, Parity, refuse_export
from prunekit.find.adapter import Adapter
from prunekit.latency.workload import plain_tokens

ROWS, SOUNDS = 16, 4
LENGTH, GIVEN, NEW_TOKENS = 12, 6, 12
"""Inputs, those that are sounds, and tokens: of the longest source, given to the decoder, and new ones."""

SILENT = ("<|startoftranscript|>", "<|notimestamps|>")
"""With what Whisper begins where no times are wanted."""


@dataclass(frozen=True)
class Heard:
    """Log-probabilities by the engine and by the model, and how much likelier each row's greedy tokens could be."""

    found: Tensor
    expected: Tensor
    lacking: Sequence[Tensor]


def check_ctranslate2(
    model: PreTrainedModel, adapter: Adapter, directory: Path, vocabulary: list[str], exact: bool, rows: int = 0
) -> Parity:
    """A model of transformers and its export to CTranslate2 in `directory`; `rows` 0 takes as many as are bearable.

    Raises `PrunekitError` where it is to be `exact` and log-probabilities differ by more than `APART`, or a greedy
    token is less likely than the likeliest by more than twice that.
    """
    try:
        if model.main_input_name == "input_ids":
            heard = _translated(model, directory, vocabulary, rows or ROWS)
        else:
            heard = _transcribed(model, adapter, directory, vocabulary, rows or SOUNDS)
    except (RuntimeError, ValueError) as error:
        raise PrunekitError(f"CTranslate2 cannot run what was exported, so nothing was written: {error}") from error
    largest = float(heard.expected.abs().max().clamp(min=1))
    apart = (heard.found - heard.expected).abs()
    right = [lacking <= 2 * APART * largest for lacking in heard.lacking]
    difference, equal = float(apart.max()) / largest, sum(bool(row.all()) for row in right)
    if not exact:
        return Parity(difference, equal, len(right), float(apart.mean()), float(torch.cat(right).float().mean()))
    if not difference <= APART or equal < len(right):
        raise refuse_export(f"log-probabilities by {difference:.1e}", equal == len(right))
    return Parity(difference, equal, len(right))


def _translated(model: PreTrainedModel, directory: Path, vocabulary: list[str], rows: int) -> Heard:
    """What `ctranslate2.Translator` scores and says."""
    import ctranslate2

    translator = ctranslate2.Translator(str(directory), device="cpu")
    config: Any = model.config
    settings = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    start, end, padding = config.decoder_start_token_id, config.eos_token_id, config.pad_token_id
    prefix = [] if settings["decoder_start_token"] else [vocabulary[start]]  # mBART's language
    sources = [row[: LENGTH - number % GIVEN] for number, row in enumerate(_drawn(model, vocabulary, rows, LENGTH, 0))]
    targets = _drawn(model, vocabulary, rows, LENGTH, 1)
    words = [[vocabulary[token] for token in row] for row in sources]
    scored = translator.score_batch(words, [[*prefix, *(vocabulary[token] for token in row)] for row in targets])
    found = torch.tensor([result.log_probs for result in scored])
    count = len(vocabulary)
    scores = _scores(model, _padded(sources, padding), [[start, *row] for row in targets], count)
    labels = torch.tensor([[*row, end] for row in targets])
    expected = scores.gather(-1, labels[..., None])[:, : found.shape[1], 0]
    never = [padding] if padding < count and padding != end else []  # some models count no positions behind it
    decoded = translator.translate_batch(
        words,
        target_prefix=[prefix] * rows if prefix else None,
        beam_size=1,
        min_decoding_length=0,
        max_decoding_length=NEW_TOKENS,
        suppress_sequences=[[vocabulary[token]] for token in never] or None,
    )
    place = {word: token for token, word in enumerate(vocabulary)}
    said = [[place[word] for word in result.hypotheses[0]] for result in decoded]
    scores = _scores(model, _padded(sources, padding), [[start, *row] for row in said], count)
    scores[..., never] = -torch.inf
    return Heard(found, expected, [_lacking(own, [*row, end]) for own, row in zip(scores, said, strict=True)])


def _transcribed(model: PreTrainedModel, adapter: Adapter, directory: Path, vocabulary: list[str], rows: int) -> Heard:
    """What `ctranslate2.models.Whisper` says of noise, with its scores on the way."""
    import ctranslate2

    if missing := [word for word in (*SILENT, "<|endoftext|>") if word not in vocabulary]:
        raise ValueError(f"it transcribes by Whisper's own tokens, and the tokenizer has no {missing[0]}")
    whisper = ctranslate2.models.Whisper(str(directory), device="cpu")
    inputs = adapter.encoder_inputs(model.config, rows)
    given = _drawn(model, vocabulary[: vocabulary.index("<|endoftext|>")], rows, GIVEN, 0)
    silent = [vocabulary.index(word) for word in SILENT]
    results = whisper.generate(
        ctranslate2.StorageView.from_array(inputs[model.main_input_name].numpy()),
        [[*silent, *row] for row in given],
        beam_size=1,
        max_length=2 * (GIVEN + NEW_TOKENS),  # the engine takes half of it
        suppress_blank=False,
        suppress_tokens=[],
        return_logits_vocab=True,
    )
    said = [result.sequences_ids[0] for result in results]
    scores = _scores(model, inputs, [[*silent, *row] for row in said], len(vocabulary))[:, 1:]
    end = vocabulary.index("<|endoftext|>")
    found, expected, lacking = [], [], []
    for result, row, own in zip(results, said, scores, strict=True):
        logits = torch.from_numpy(np.array([np.array(step) for step in result.logits[0]]))
        tokens = torch.tensor([*row, end][: len(logits)])[:, None]
        found.append(logits.log_softmax(-1).gather(-1, tokens))
        expected.append(own[: len(logits)].gather(-1, tokens))
        lacking.append(_lacking(own[GIVEN:], [*row, end][GIVEN:]))
    return Heard(torch.cat(found), torch.cat(expected), lacking)


def _drawn(model: PreTrainedModel, vocabulary: Sequence[str], rows: int, length: int, seed: int) -> list[list[int]]:
    """Random tokens [rows, length] that have a name and are nothing special."""
    known = [token for token in plain_tokens((model,)) if token < len(vocabulary)]
    places = torch.randint(len(known), (rows, length), generator=torch.Generator().manual_seed(seed))
    return [[known[place] for place in row] for row in places.tolist()]


def _padded(sources: list[list[int]], padding: int) -> dict[str, Tensor]:
    """The sources as an encoder takes them."""
    ids = [torch.tensor(row) for row in sources]
    mask = pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
    return {"input_ids": pad_sequence(ids, batch_first=True, padding_value=padding), "attention_mask": mask}


def _scores(model: PreTrainedModel, inputs: dict[str, Tensor], answers: list[list[int]], words: int) -> Tensor:
    """Log-probabilities [rows, longest, words] of what follows each token, among the first so many `words`."""
    padding = answers[0][0]  # any token will do
    ids = pad_sequence([torch.tensor(row) for row in answers], batch_first=True, padding_value=padding)
    with evaluation_mode(model):
        logits: Tensor = model(**inputs, decoder_input_ids=ids, use_cache=False).logits
    return logits[..., :words].float().log_softmax(-1)


def _lacking(scores: Tensor, said: list[int]) -> Tensor:
    """How far the log-probability of each new token is from the best one's; an end too many was not said."""
    tokens = torch.tensor(said[:NEW_TOKENS])
    own = scores[: len(tokens)]
    return own.max(-1).values - own.gather(-1, tokens[:, None])[:, 0]
