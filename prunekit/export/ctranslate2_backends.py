"""CTranslate2's models beside the model that was exported: scores of given tokens, and greedy decoding."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from prunekit._support.modes import evaluation_mode
from prunekit.find.adapter import Adapter
from prunekit.latency.workload import plain_tokens

SOURCE_LENGTH = 12
"""Tokens of the longest source, and of the targets that are scored."""

GIVEN = 6
"""Random tokens that a transcription starts with."""

NEW_TOKENS = 12
"""Greedy tokens that are decoded."""

WHISPER_PROMPT = ("<|startoftranscript|>", "<|notimestamps|>")
"""What Whisper's answers start with where no times are asked for."""

WHISPER_END = "<|endoftext|>"


class Backend(Protocol):
    """One of CTranslate2's models beside the model that was exported, on the same random inputs."""

    def score_forced(self) -> tuple[Tensor, Tensor]:
        """Log-probabilities of given tokens, by the engine and by the model: two tensors of one shape."""
        ...

    def decode_greedy(self) -> list[Tensor]:
        """For each input, how far the model's log-probability of each greedy token is from its best one's."""
        ...


@dataclass(frozen=True)
class TranslatorBackend:
    """`ctranslate2.Translator` on random sources of random tokens; `vocabulary` names the tokens in order."""

    model: PreTrainedModel
    directory: Path
    vocabulary: list[str]
    rows: int

    def score_forced(self) -> tuple[Tensor, Tensor]:
        """Scores of random targets, and of their ends where the engine scores these."""
        targets = _random_tokens(self.model, self.vocabulary, self.rows, SOURCE_LENGTH, 1)
        scored = self.translator.score_batch(self.words, [[*self.prefix, *self._names(row)] for row in targets])
        found = torch.tensor([result.log_probs for result in scored])
        labels = torch.tensor([[*row, self.config.eos_token_id] for row in targets])
        expected = self._model_scores(targets).gather(-1, labels[..., None])[..., 0]
        return found, expected[:, : found.shape[1]]

    def decode_greedy(self) -> list[Tensor]:
        """Greedy answers without padding, which some models would give and count no positions behind."""
        answers = self._translate()
        scores = self._model_scores(answers)
        scores[..., self.never] = -torch.inf
        end = self.config.eos_token_id
        return [_gaps(own, [*row, end]) for own, row in zip(scores, answers, strict=True)]

    @property
    def config(self) -> Any:
        """The model's config."""
        return self.model.config

    @cached_property
    def translator(self) -> Any:
        """The engine."""
        import ctranslate2

        return ctranslate2.Translator(str(self.directory), device="cpu")

    @cached_property
    def sources(self) -> list[list[int]]:
        """Random sources of several lengths."""
        drawn = _random_tokens(self.model, self.vocabulary, self.rows, SOURCE_LENGTH, 0)
        return [row[: SOURCE_LENGTH - number % GIVEN] for number, row in enumerate(drawn)]

    @property
    def words(self) -> list[list[str]]:
        """The sources by name, as the engine takes them."""
        return [self._names(row) for row in self.sources]

    @cached_property
    def prefix(self) -> list[str]:
        """What answers start with where the engine's config does not say, as mBART's language."""
        settings = json.loads((self.directory / "config.json").read_text(encoding="utf-8"))
        return [] if settings["decoder_start_token"] else [self.vocabulary[self.config.decoder_start_token_id]]

    @property
    def never(self) -> list[int]:
        """Tokens that the engine must not give."""
        padding = self.config.pad_token_id
        return [padding] if padding < len(self.vocabulary) and padding != self.config.eos_token_id else []

    def _translate(self) -> list[list[int]]:
        decoded = self.translator.translate_batch(
            self.words,
            target_prefix=[self.prefix] * self.rows if self.prefix else None,
            beam_size=1,
            min_decoding_length=0,
            max_decoding_length=NEW_TOKENS,
            suppress_sequences=[[self.vocabulary[token]] for token in self.never] or None,
        )
        ids = {word: token for token, word in enumerate(self.vocabulary)}
        return [[ids[word] for word in result.hypotheses[0]] for result in decoded]

    def _model_scores(self, answers: list[list[int]]) -> Tensor:
        """The model's log-probabilities of what follows the start and each token of these answers."""
        inputs = _padded(self.sources, self.config.pad_token_id)
        start = self.config.decoder_start_token_id
        return _scores(self.model, inputs, [[start, *row] for row in answers], len(self.vocabulary))

    def _names(self, tokens: Sequence[int]) -> list[str]:
        return [self.vocabulary[token] for token in tokens]


@dataclass(frozen=True)
class WhisperBackend:
    """`ctranslate2.models.Whisper` on noise; one run of the engine gives scores and greedy tokens alike."""

    model: PreTrainedModel
    adapter: Adapter
    directory: Path
    vocabulary: list[str]
    rows: int

    def __post_init__(self) -> None:
        missing = [word for word in (*WHISPER_PROMPT, WHISPER_END) if word not in self.vocabulary]
        if missing:
            raise ValueError(f"it transcribes by Whisper's own tokens, and the tokenizer has no {missing[0]}")

    def score_forced(self) -> tuple[Tensor, Tensor]:
        """Scores of the engine's own answers, given tokens included."""
        found = []
        expected = []
        for result, row, own in zip(self.results, self.answers, self.scores, strict=True):
            logits = torch.from_numpy(np.array([np.array(step) for step in result.logits[0]]))
            tokens = torch.tensor([*row, self.end][: len(logits)])[:, None]
            found.append(logits.log_softmax(-1).gather(-1, tokens))
            expected.append(own[: len(logits)].gather(-1, tokens))
        return torch.cat(found), torch.cat(expected)

    def decode_greedy(self) -> list[Tensor]:
        """What follows the given tokens."""
        pairs = zip(self.scores, self.answers, strict=True)
        return [_gaps(own[GIVEN:], [*row, self.end][GIVEN:]) for own, row in pairs]

    @property
    def end(self) -> int:
        """The token that ends a transcription; whatever comes after it in the vocabulary is special."""
        return self.vocabulary.index(WHISPER_END)

    @cached_property
    def prompt(self) -> list[int]:
        """What every answer starts with."""
        return [self.vocabulary.index(word) for word in WHISPER_PROMPT]

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """Noise."""
        return self.adapter.encoder_inputs(self.model.config, self.rows)

    @cached_property
    def results(self) -> list[Any]:
        """What the engine makes of the inputs, with its logits."""
        import ctranslate2

        given = _random_tokens(self.model, self.vocabulary[: self.end], self.rows, GIVEN, 0)
        engine = ctranslate2.models.Whisper(str(self.directory), device="cpu")
        results: list[Any] = engine.generate(
            ctranslate2.StorageView.from_array(self.inputs[self.model.main_input_name].numpy()),
            [[*self.prompt, *row] for row in given],
            beam_size=1,
            max_length=2 * (GIVEN + NEW_TOKENS),  # the engine takes half of it
            suppress_blank=False,
            suppress_tokens=[],
            return_logits_vocab=True,
        )
        return results

    @property
    def answers(self) -> list[list[int]]:
        """The engine's tokens, the given ones among them."""
        return [result.sequences_ids[0] for result in self.results]

    @cached_property
    def scores(self) -> Tensor:
        """The model's log-probabilities of what follows the prompt and each token of the answers."""
        answers = [[*self.prompt, *row] for row in self.answers]
        return _scores(self.model, self.inputs, answers, len(self.vocabulary))[:, 1:]


def _random_tokens(
    model: PreTrainedModel, vocabulary: Sequence[str], rows: int, length: int, seed: int
) -> list[list[int]]:
    """Random tokens [rows, length] that have a name and are not special."""
    known = [token for token in plain_tokens((model,)) if token < len(vocabulary)]
    drawn = torch.randint(len(known), (rows, length), generator=torch.Generator().manual_seed(seed))
    return [[known[index] for index in row] for row in drawn.tolist()]


def _padded(sources: list[list[int]], padding: int) -> dict[str, Tensor]:
    """The sources as an encoder takes them."""
    ids = [torch.tensor(row) for row in sources]
    mask = pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
    return {"input_ids": pad_sequence(ids, batch_first=True, padding_value=padding), "attention_mask": mask}


def _scores(model: PreTrainedModel, inputs: Mapping[str, Tensor], answers: list[list[int]], words: int) -> Tensor:
    """Log-probabilities [rows, longest, words] of what follows each token, among the first so many `words`."""
    padding = answers[0][0]  # any token will do
    ids = pad_sequence([torch.tensor(row) for row in answers], batch_first=True, padding_value=padding)
    with evaluation_mode(model):
        logits: Tensor = model(**inputs, decoder_input_ids=ids, use_cache=False).logits
    return logits[..., :words].float().log_softmax(-1)


def _gaps(scores: Tensor, answer: list[int]) -> Tensor:
    """How far the log-probability of each new token is from the best one's; an end beyond the limit does not count."""
    tokens = torch.tensor(answer[:NEW_TOKENS])
    own = scores[: len(tokens)]
    return own.max(-1).values - own.gather(-1, tokens[:, None])[:, 0]
