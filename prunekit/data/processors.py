"""Processors: from a task's rows to what a model reads, and from what it generates to text."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from prunekit.data.asking import Asking, alike, askings_of
from prunekit.data.encoded import EncodedDataset, SideCounter, cut_target
from prunekit.data.languages import (
    answer_settings,
    beginnings,
    check_language,
    framing_ids,
    languages_of,
    set_languages,
    speaking,
    tell_languages,
)
from prunekit.data.lengths import Positions, fit_lengths
from prunekit.data.problems import RowProblem, without_problems
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection

UNCUT = 10**9
"""More tokens than any row has."""

CHUNK = 1000
"""Rows tokenised at a time, so that a large set never stands in memory as Python lists."""

Encoded = TypeVar("Encoded")

Hints = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
"""Makes of the encoder's inputs what an architecture wants beside them; see `Adapter.attention_hints`."""


def no_hints(batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Nothing, as most architectures want."""
    return {}


class Processor(ABC):
    """Turns a task's rows into what one model reads, and what the model generates into text.

    Example: a `TextProcessor` pads the ids of "speed" and "a" to tensors of shape [2, longest]. `section` says how
    texts are cut, prefixed and in which languages they are; `save_pretrained` writes what another process needs to read
    in the same way. `start` is the id that the decoder starts with, where it is known; where `drops_start` is true, it
    or another of the `beginnings` that the tokenizer writes before a text is taken off. `hints` makes what the
    architecture wants beside the inputs of every batch; `with_hints` sets it.
    """

    drops_start = False

    def __init__(self, tokenizer: PreTrainedTokenizerBase, section: TaskSection, start: int | None = None):
        self.tokenizer = tokenizer
        self.section = fit_lengths(section, Positions(None, None))
        self.start = start
        self.hints: Hints = no_hints
        self.asking = Asking(section.source_language, section.target_language)
        self._tell_languages()

    def _tell_languages(self) -> None:
        """Tell a multilingual tokenizer the section's languages; others have nothing to tell."""
        section = self.section
        tell = tell_languages if section.target_language_column is None else set_languages
        tell(self.tokenizer, section.source_language, section.target_language)

    @property
    def has_languages(self) -> bool:
        """Whether languages reach the model: the tokenizer has some, and takes them."""
        return hasattr(self.tokenizer, "src_lang") and bool(languages_of(self.tokenizer))

    def askings(self, rows: Dataset) -> list[Asking] | None:
        """How every row is asked, where the table says so and the tokenizer has languages."""
        return askings_of(rows, self.asking) if self.has_languages else None

    @contextmanager
    def asked(self, asking: Asking | None) -> Iterator[None]:
        """Inside the block texts are encoded, and answers asked for, as in a row that is asked so."""
        before = self.asking
        if asking is None or asking == before:
            yield
            return
        self.asking = asking
        try:
            with self._speaking(asking):
                yield
        finally:
            self.asking = before

    def _speaking(self, asking: Asking) -> AbstractContextManager[None]:
        """A block in which the tokenizer has been told the languages."""
        return speaking(self.tokenizer, asking.source, asking.target)

    def usable(self, rows: Dataset, name: str) -> Dataset:
        """The rows as they are asked, without those that cannot be; `name` says which they are.

        Raises `PrunekitError` that names every row that cannot be used; where ``task.skip`` leaves them out, a warning
        does, and the error is raised only if no row is left.
        """
        return without_problems(rows, self._problems(rows), f"{name} rows", self.section.skip)

    def _problems(self, rows: Dataset) -> dict[int, RowProblem]:
        """What is wrong with each row that cannot be asked, by its number from 0."""
        found = {}
        for asking, numbers in alike(self.askings(rows) or ()).items():
            what = self._refusal(asking)
            if what is not None:
                found.update({number: RowProblem(f"row {number + 1}", what) for number in numbers})
        return dict(sorted(found.items()))

    def _refusal(self, asking: Asking) -> str | None:
        """Why a row cannot be asked so; None where it can."""
        try:
            for language in filter(None, (asking.source, asking.target)):
                check_language(self.tokenizer, language)
        except PrunekitError as error:
            return str(error)
        return None

    def uncut(self) -> "Processor":
        """The same processor with no limit to lengths."""
        whole = copy.copy(self)
        whole.section = self.section.model_copy(update={"source_length": UNCUT, "target_length": UNCUT})
        return whole

    @abstractmethod
    def encode(self, rows: Dataset) -> EncodedDataset:
        """The rows of a task, encoded."""

    def with_hints(self, hints: Hints) -> Self:
        """The same processor, whose batches hold what `hints` makes of them."""
        hinting = copy.copy(self)
        hinting.hints = hints
        return hinting

    def pad(self, sources: Sequence[Any]) -> dict[str, Tensor]:
        """Encoded sources as the tensors that the model's encoder takes, [rows, ...] each, on the CPU."""
        batch = self._pad(sources)
        return {**batch, **self.hints(batch)}

    @abstractmethod
    def _pad(self, sources: Sequence[Any]) -> dict[str, Tensor]:
        """Encoded sources as tensors, without hints."""

    def generation_settings(self) -> Mapping[str, Any]:
        """The settings by which an answer begins in its language: the section's, or that of a row `asked`."""
        return answer_settings(self.tokenizer, self.asking.target)

    def prompt_ids(self) -> list[int]:
        """The tokens that stand before every answer beside the decoder's start and a forced first token."""
        return []

    def decode(self, answers: Tensor) -> list[str]:
        """Generated ids [rows, tokens] as one text each.

        Left out is what frames a text (padding, start, end, unknown, languages), not tokens that the user added, and
        ids that the tokenizer does not have: a model's vocabulary may be the larger one.
        """
        framing = framing_ids(self.tokenizer)
        last = max(self.tokenizer.get_vocab().values())
        kept = [[token for token in row if token <= last and token not in framing] for row in answers.tolist()]
        decoded = self.tokenizer.batch_decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return [text.strip() for text in decoded]

    def target_ids(
        self, texts: Sequence[str], counter: SideCounter, askings: Sequence[Asking] | None = None
    ) -> Iterator[list[int]]:
        """Token ids of right answers, as many tokens as the section allows; `counter` counts what there was.

        An answer that is cut does not end there: its end is cut off too. What stands before every answer counts for
        nothing, as in the limit of generated tokens.
        """
        limit = self._limit("target_length")

        def encode(chunk: list[str]) -> Iterator[tuple[list[int], list[int], int]]:
            language_behind = "decoder_start_token_id" in self.generation_settings()
            prompt = self._prompt_in_labels()
            for whole in self._labels(self._tokenized(text_target=chunk)):
                yield whole, cut_target(whole, limit + prompt, language_behind), prompt

        for text, (whole, cut, prompt) in zip(texts, self._in_order(texts, askings, encode), strict=True):
            if text:  # a row without a label counts for nothing
                counter.count(whole[prompt:])
            yield cut

    def _in_order(
        self, texts: Sequence[str], askings: Sequence[Asking] | None, encode: Callable[[list[str]], Iterable[Encoded]]
    ) -> Iterator[Encoded]:
        """What `encode` makes of texts, in their order, each chunk of them as it is asked."""
        for start in range(0, len(texts), CHUNK):
            chunk = list(texts[start : start + CHUNK])
            if askings is None:
                yield from encode(chunk)
                continue
            found: dict[int, Encoded] = {}
            for asking, numbers in alike(askings[start : start + CHUNK]).items():
                with self.asked(asking):
                    found.update(zip(numbers, encode([chunk[number] for number in numbers]), strict=True))
            yield from (found[number] for number in range(len(chunk)))

    def _prompt_in_labels(self) -> int:
        """How many tokens of every label belong to no answer."""
        return 0

    def _labels(self, rows: list[list[int]]) -> Iterator[list[int]]:
        """Labels from the ids that the tokenizer gives targets."""
        for ids in rows:
            yield ids[1:] if self.drops_start and ids and ids[0] in beginnings(self.tokenizer, self.start) else ids

    def _tokenized(self, **texts: Any) -> list[list[int]]:
        """Token ids of texts, however long they are."""
        tokenizer: Any = self.tokenizer
        ids: list[list[int]] = tokenizer(**texts, verbose=False)["input_ids"]
        return ids

    def _limit(self, key: str) -> int:
        limit = getattr(self.section, key)
        assert isinstance(limit, int), "lengths are fitted when a processor is made"
        return limit

    def _counter(self) -> SideCounter:
        return SideCounter(getattr(self.tokenizer, "unk_token_id", None))

    def save_pretrained(self, directory: Path) -> None:
        """Write the tokenizer into a model's directory."""
        self.tokenizer.save_pretrained(directory)


class Collator:
    """Pads a list of encoded rows to one batch. Example: two rows give `input_ids` of shape [2, longest].

    A batch keeps its rows' numbers as `index`, by which the teacher's outputs are cached.
    """

    def __init__(self, processor: Processor, model: PreTrainedModel):
        self.processor = processor
        self.model = model

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """The encoder's inputs, labels [rows, longest] with -100 as padding, and index [rows].

        Decoder inputs come along if the model makes them from labels; other models make them in their forward pass.
        """
        answers = [torch.tensor(row["labels"], dtype=torch.long) for row in rows]
        labels = pad_sequence(answers, batch_first=True, padding_value=-100)
        batch = {**self.processor.pad([row["source"] for row in rows]), "labels": labels}
        shift = getattr(self.model, "prepare_decoder_input_ids_from_labels", None)
        if shift is not None:
            batch["decoder_input_ids"] = shift(labels=labels)
        return {**batch, "index": torch.tensor([row["index"] for row in rows])}
