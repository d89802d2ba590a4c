"""CTranslate2's models beside the model that was exported: scores of given tokens, and greedy decoding."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from prunekit._support.modes import evaluation_mode
from prunekit.export.ctranslate2_words import start_words
from prunekit.export.framing import Framing
from prunekit.latency.workload import plain_tokens

SOURCE_LENGTH = 12
"""Tokens of the longest source, and of the targets that are scored."""

LENGTHS = 6
"""How many lengths sources have."""

NEW_TOKENS = 12
"""Greedy tokens that are decoded."""


class Backend(Protocol):
    """One of CTranslate2's models beside the model that was exported, on the same random inputs."""

    def score_forced(self) -> tuple[Tensor, Tensor]:
        """Log-probabilities of given tokens, by the engine and by the model: two tensors of one shape."""
        ...

    def score_by(self, model: PreTrainedModel) -> Tensor:
        """The same by a model in the place of the engine, such as a more exact copy."""
        ...

    def decode_greedy(self) -> list[Tensor]:
        """For each input, how far the model's log-probability of each greedy token is from its best one's."""
        ...


@dataclass(frozen=True)
class TranslatorBackend:
    """`ctranslate2.Translator` on random sources of random tokens; `vocabulary` names what it writes, in order."""

    model: PreTrainedModel
    directory: Path
    vocabulary: list[str]
    rows: int

    def score_forced(self) -> tuple[Tensor, Tensor]:
        """Scores of random targets behind what every answer begins with, and of their ends where the engine does."""
        scored = self.translator.score_batch(self.words, [[*self.start, *self._names(row)] for row in self.targets])
        found = torch.tensor([result.log_probs for result in scored])
        return found, self.score_by(self.model)[:, : found.shape[1]]

    def score_by(self, model: PreTrainedModel) -> Tensor:
        """A model's scores of the targets and their ends."""
        labels = torch.tensor([[*row, self.end] for row in self.targets])
        return self._scores(model, self.targets).gather(-1, labels[..., None])[..., 0]

    def decode_greedy(self) -> list[Tensor]:
        """Greedy answers without padding, which some models would give and count no positions behind."""
        answers = self._translate()
        scores = self._scores(self.model, answers)
        scores[..., self.never] = -torch.inf
        forced = len(self.forced)
        pairs = zip(scores, answers, strict=True)
        return [gaps_to_best(own, [*row, self.end], self.framing.ends)[forced:] for own, row in pairs]

    @cached_property
    def framing(self) -> Framing:
        """What the model's answers begin and end with."""
        return Framing.of(self.model)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The engine's config."""
        found: dict[str, Any] = json.loads((self.directory / "config.json").read_text(encoding="utf-8"))
        return found

    @property
    def end(self) -> int:
        """The end that the engine scores."""
        return self.vocabulary.index(self.settings["eos_token"])

    @cached_property
    def translator(self) -> Any:
        """The engine."""
        import ctranslate2

        return ctranslate2.Translator(str(self.directory), device="cpu")

    @cached_property
    def source_vocabulary(self) -> list[str]:
        """The names of the tokens that the model reads."""
        path = self.directory / "source_vocabulary.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else self.vocabulary

    @cached_property
    def sources(self) -> list[list[int]]:
        """Random sources of several lengths."""
        drawn = random_tokens(self.model, self.source_vocabulary, self.rows, SOURCE_LENGTH, 0)
        return [row[: SOURCE_LENGTH - number % LENGTHS] for number, row in enumerate(drawn)]

    @cached_property
    def targets(self) -> list[list[int]]:
        """Random targets behind the token that is forced, if any."""
        return [[*self.forced, *row] for row in random_tokens(self.model, self.vocabulary, self.rows, SOURCE_LENGTH, 1)]

    @property
    def words(self) -> list[list[str]]:
        """The sources by name, as the engine takes them."""
        return [[self.source_vocabulary[token] for token in row] for row in self.sources]

    @property
    def start(self) -> list[str]:
        """What the decoder starts with, where the engine's config leaves it to the user."""
        return start_words(self.framing, self.settings, self.vocabulary)

    @property
    def forced(self) -> list[int]:
        """The token that every answer must begin with, such as a language."""
        return [] if self.framing.first is None else [self.framing.first]

    @property
    def never(self) -> list[int]:
        """Tokens that the engine must not give."""
        padding = self.model.config.pad_token_id
        return [padding] if padding < len(self.vocabulary) and padding not in self.framing.ends else []

    def _translate(self) -> list[list[int]]:
        """The tokens of greedy answers, forced ones among them, without the start and the end."""
        prefix = [*self.start, *self._names(self.forced)]
        decoded = self.translator.translate_batch(
            self.words,
            target_prefix=[prefix] * self.rows if prefix else None,
            beam_size=1,
            min_decoding_length=0,
            max_decoding_length=NEW_TOKENS,
            suppress_sequences=[[self.vocabulary[token]] for token in self.never] or None,
            end_token=self._names(self.framing.ends),
        )
        ids = {word: token for token, word in enumerate(self.vocabulary)}
        return [[ids[word] for word in result.hypotheses[0]] for result in decoded]

    def _scores(self, model: PreTrainedModel, answers: list[list[int]]) -> Tensor:
        """A model's log-probabilities of what follows the start and each token of these answers."""
        inputs = _padded(self.sources, self.model.config.pad_token_id)
        started = [[self.framing.start, *row] for row in answers]
        return log_probabilities(model, inputs, started, len(self.vocabulary))

    def _names(self, tokens: Sequence[int]) -> list[str]:
        return [self.vocabulary[token] for token in tokens]


def random_tokens(
    model: PreTrainedModel, vocabulary: Sequence[str], rows: int, length: int, seed: int
) -> list[list[int]]:
    """Random tokens [rows, length] that have a name and are not special."""
    known = plain_tokens((model,), len(vocabulary))
    drawn = torch.randint(len(known), (rows, length), generator=torch.Generator().manual_seed(seed))
    return [[known[index] for index in row] for row in drawn.tolist()]


def _padded(sources: list[list[int]], padding: int) -> dict[str, Tensor]:
    """The sources as an encoder takes them."""
    ids = [torch.tensor(row) for row in sources]
    mask = pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
    return {"input_ids": pad_sequence(ids, batch_first=True, padding_value=padding), "attention_mask": mask}


def log_probabilities(
    model: PreTrainedModel, inputs: Mapping[str, Tensor], answers: list[list[int]], words: int
) -> Tensor:
    """Log-probabilities [rows, longest, words] of what follows each token, among the first so many `words`."""
    padding = answers[0][0]  # any token will do
    ids = pad_sequence([torch.tensor(row) for row in answers], batch_first=True, padding_value=padding)
    exact = {key: value.to(model.dtype) if value.is_floating_point() else value for key, value in inputs.items()}
    with evaluation_mode(model):
        logits: Tensor = model(**exact, decoder_input_ids=ids, use_cache=False).logits
    return logits[..., :words].float().log_softmax(-1)


def gaps_to_best(scores: Tensor, answer: list[int], ends: Sequence[int]) -> Tensor:
    """How far the log-probability of each new token is from the best one's; an end beyond the limit does not count.

    Where the answer ends, the likeliest of its `ends` counts.
    """
    tokens = torch.tensor(answer[:NEW_TOKENS])
    own = scores[: len(tokens)]
    given = own.gather(-1, tokens[:, None])[:, 0]
    ended = own[:, list(ends)].max(-1).values
    is_end = torch.isin(tokens, torch.tensor(list(ends)))
    return own.max(-1).values - torch.where(is_end, ended, given)
