"""CTranslate2's Whisper beside the model that was exported: asked as the model's `generate` asks, on the same noise."""

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunekit.data.speech_prompt import NO_TIMESTAMPS
from prunekit.export.ctranslate2_backends import NEW_TOKENS, gaps_to_best, log_probabilities, random_tokens
from prunekit.export.ctranslate2_words import WHISPER_END, WHISPER_START
from prunekit.export.whisper_prompt import is_multilingual, prompt_of
from prunekit.find.adapter import Adapter

log = logging.getLogger(__name__)

GIVEN = 6
"""Random tokens that a transcription starts with."""

OWN_WORDS = (WHISPER_START, NO_TIMESTAMPS, WHISPER_END)
"""The tokens without which CTranslate2's Whisper does not work."""

MASKED = -1e30
"""Logits below this are those of tokens that the engine's rules for timestamps forbid."""


@dataclass(frozen=True)
class WhisperBackend:
    """`ctranslate2.models.Whisper` on noise; one run of the engine gives scores and greedy tokens alike."""

    model: PreTrainedModel
    adapter: Adapter
    directory: Path
    vocabulary: list[str]
    rows: int

    def __post_init__(self) -> None:
        missing = [word for word in OWN_WORDS if word not in self.vocabulary]
        if missing:
            raise ValueError(f"it transcribes by Whisper's own tokens, and the tokenizer has no {missing[0]}")

    def score_forced(self) -> tuple[Tensor, Tensor]:
        """Scores of the engine's own answers, given tokens included, and of the language that is heard, if any."""
        found = [
            _chosen(logits.log_softmax(-1), tokens) for logits, tokens in zip(self.logits, self.steps, strict=True)
        ]
        return torch.cat([*found, self._heard_by_engine()]), self.score_by(self.model)

    def score_by(self, model: PreTrainedModel) -> Tensor:
        """What a model scores in the place of the engine."""
        found = [_chosen(scores, tokens) for scores, tokens in zip(self._scores(model), self.steps, strict=True)]
        heard = self._languages(model).gather(-1, self.heard) if self._engine_hears else torch.zeros(0, 1)
        return torch.cat([*found, heard])

    def decode_greedy(self) -> list[Tensor]:
        """What follows the given tokens."""
        pairs = zip(self._scores(self.model), self.steps, strict=True)
        return [gaps_to_best(scores[GIVEN:], tokens[GIVEN:], (self.end,)) for scores, tokens in pairs]

    @property
    def end(self) -> int:
        """The token that ends a transcription; whatever comes after it in the vocabulary is special."""
        return self.vocabulary.index(WHISPER_END)

    @cached_property
    def prompts(self) -> list[list[int]]:
        """What the answer to each input starts with: the model's own prompt, in the language that it hears."""
        prompt = prompt_of(self.model, self.vocabulary)
        heard = self.heard[:, 0].tolist() if None in prompt else [0] * self.rows
        return [[self._language_ids[number] if token is None else token for token in prompt] for number in heard]

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """Noise."""
        return self.adapter.encoder_inputs(self.model.config, self.rows)

    @cached_property
    def engine(self) -> Any:
        """The engine."""
        import ctranslate2

        engine = ctranslate2.models.Whisper(str(self.directory), device="cpu")
        if engine.is_multilingual != is_multilingual(self.model):
            log.warning(
                "CTranslate2 takes this Whisper for %s; faster-whisper will tell it language and task accordingly.",
                "a multilingual one" if engine.is_multilingual else "an English one",
            )
        return engine

    @property
    def features(self) -> Any:
        """The noise, as the engine takes it."""
        import ctranslate2

        return ctranslate2.StorageView.from_array(self.inputs[self.model.main_input_name].numpy())

    @cached_property
    def results(self) -> list[Any]:
        """What the engine makes of the inputs, with its logits."""
        given = random_tokens(self.model, self.vocabulary[: self.end], self.rows, GIVEN, 0)
        results: list[Any] = self.engine.generate(
            self.features,
            [[*prompt, *row] for prompt, row in zip(self.prompts, given, strict=True)],
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
    def logits(self) -> list[Tensor]:
        """The engine's logits [steps, words] for each input."""
        return [torch.from_numpy(np.array([np.array(step) for step in result.logits[0]])) for result in self.results]

    @property
    def steps(self) -> list[list[int]]:
        """The token of each step: those of the answer, and its end where the engine came to it."""
        pairs = zip(self.answers, self.logits, strict=True)
        return [[*answer, self.end][: len(logits)] for answer, logits in pairs]

    def _scores(self, model: PreTrainedModel) -> list[Tensor]:
        """A model's log-probabilities [steps, words] after the prompt and each token, of what the engine allows."""
        answers = [[*prompt, *answer] for prompt, answer in zip(self.prompts, self.answers, strict=True)]
        scores = log_probabilities(model, self.inputs, answers, len(self.vocabulary))[:, len(self.prompts[0]) - 1 :]
        pairs = zip(scores, self.logits, strict=True)
        return [row[: len(own)].masked_fill(own < MASKED, -torch.inf).log_softmax(-1) for row, own in pairs]

    @property
    def _language_ids(self) -> list[int]:
        return sorted(cast(Any, self.model.generation_config).lang_to_id.values())

    @cached_property
    def heard(self) -> Tensor:
        """The language that the model hears in each input [rows, 1], by its place in the order of their tokens."""
        return self._languages(self.model).argmax(-1, keepdim=True)

    def _languages(self, model: PreTrainedModel) -> Tensor:
        """Log-probabilities [rows, languages] of the token after the start."""
        start = self.vocabulary.index(WHISPER_START)
        logits = log_probabilities(model, self.inputs, [[start]] * self.rows, len(self.vocabulary))
        return logits[:, 0, self._language_ids].log_softmax(-1)

    @property
    def _engine_hears(self) -> bool:
        """Whether languages are to be heard, and the engine takes the model for one that hears them."""
        return None in prompt_of(self.model, self.vocabulary) and self.engine.is_multilingual

    def _heard_by_engine(self) -> Tensor:
        """The engine's log-probability [rows, 1] of the language that the model hears; none where it hears none."""
        if not self._engine_hears:
            return torch.zeros(0, 1)
        words = [self.vocabulary[self._language_ids[number]] for number in self.heard[:, 0].tolist()]
        found = [dict(row)[word] for row, word in zip(self.engine.detect_language(self.features), words, strict=True)]
        return torch.tensor(found).log()[:, None]


def _chosen(scores: Tensor, tokens: list[int]) -> Tensor:
    """The scores [steps, 1] of a token for each step."""
    return scores.gather(-1, torch.tensor(tokens)[:, None])
