"""Processors: from a task's rows to what a model reads, and from what it generates to text."""

import copy
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from prunekit.data.encoded import EncodedDataset, RaggedInts, Side
from prunekit.data.languages import answer_settings, languages_of, tell_languages
from prunekit.data.lengths import Positions, fit_lengths
from prunekit.recipe import TaskSection

log = logging.getLogger(__name__)

FRAMING = ("pad", "bos", "eos", "unk", "sep", "cls", "mask", "decoder_start")
"""The tokens that tokenizers name for what they are, which are no part of a text."""

MARK = re.compile(r"<\|.*\|>")
"""Whisper's marks: tasks, languages, timestamps."""

UNCUT = 10**9
"""More tokens than any row has."""

CHUNK = 1000
"""Rows tokenised at a time, so that a large set never stands in memory as Python lists."""


Hints = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
"""Makes of the encoder's inputs what an architecture wants beside them; see `Adapter.attention_hints`."""


def no_hints(batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Nothing, as most architectures want."""
    return {}


class Processor(ABC):
    """Turns a task's rows into what one model reads, and what the model generates into text.

    Example: a `TextProcessor` pads the ids of "speed" and "a" to tensors of shape [2, longest]. `section` says how
    texts are cut, prefixed and in which languages they are; `save_pretrained` writes what another process needs to read
    in the same way. `start` is the id that the decoder starts with, where it is known; where `drops_start` is true, a
    tokenizer that writes it before a text has it taken off, since the model puts it there itself. `hints`
    makes what the architecture wants beside the inputs of every batch; `with_hints` sets it.
    """

    drops_start = False

    def __init__(self, tokenizer: PreTrainedTokenizerBase, section: TaskSection, start: int | None = None):
        self.tokenizer = tokenizer
        self.section = fit_lengths(section, Positions(None, None))
        self.start = start
        self.hints: Hints = no_hints
        self._tell_languages()

    def _tell_languages(self) -> None:
        """Tell a multilingual tokenizer the section's languages; others have nothing to tell, which is a warning."""
        unused = tell_languages(self.tokenizer, self.section.source_language, self.section.target_language)
        for language in unused:
            log.warning("%s has no languages, so %r is not used.", type(self.tokenizer).__name__, language)

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
        """The generation settings by which an answer begins in the section's language."""
        return answer_settings(self.tokenizer, self.section.target_language)

    def prompt_ids(self) -> list[int]:
        """The tokens that stand before every answer beside the decoder's start and a forced first token."""
        return []

    def decode(self, answers: Tensor) -> list[str]:
        """Generated ids [rows, tokens] as one text each.

        Left out is what frames a text (padding, start, end, unknown, languages), not tokens that the user added.
        """
        framing = self._framing_ids()
        kept = [[token for token in row if token not in framing] for row in answers.tolist()]
        decoded = self.tokenizer.batch_decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return [text.strip() for text in decoded]

    def _framing_ids(self) -> set[int]:
        """The ids that frame a text."""
        tokenizer: Any = self.tokenizer
        named = {getattr(tokenizer, f"{name}_token_id", None) for name in FRAMING}
        marks = {id_ for id_ in tokenizer.all_special_ids if MARK.fullmatch(str(tokenizer.convert_ids_to_tokens(id_)))}
        return {*filter(lambda id_: id_ is not None, named), *marks, *languages_of(tokenizer).values()}

    def target_ids(self, texts: Sequence[str], counter: "SideCounter") -> Iterator[list[int]]:
        """Token ids of right answers, as many tokens as the section allows; `counter` counts what there was.

        An answer that is cut does not end there: its end is cut off too.
        """
        limit = self._limit("target_length")
        language_behind = "decoder_start_token_id" in self.generation_settings()
        for chunk in _chunks(texts):
            for whole in self._labels(self._tokenized(text_target=chunk)):
                counter.count(whole)
                yield _cut_target(whole, limit, language_behind)

    def _labels(self, rows: list[list[int]]) -> Iterator[list[int]]:
        """Labels from the ids that the tokenizer gives targets."""
        for ids in rows:
            yield ids[1:] if self.drops_start and ids and ids[0] == self.start else ids

    def _tokenized(self, **texts: Any) -> list[list[int]]:
        """Token ids of texts, however long they are."""
        tokenizer: Any = self.tokenizer
        ids: list[list[int]] = tokenizer(**texts, verbose=False)["input_ids"]
        return ids

    def _limit(self, key: str) -> int:
        limit = getattr(self.section, key)
        assert isinstance(limit, int), "lengths are fitted when a processor is made"
        return limit

    def _counter(self) -> "SideCounter":
        return SideCounter(getattr(self.tokenizer, "unk_token_id", None))

    def save_pretrained(self, directory: Path) -> None:
        """Write the tokenizer into a model's directory."""
        self.tokenizer.save_pretrained(directory)


class SideCounter:
    """Counts lengths and unknown tokens while rows are encoded."""

    def __init__(self, unknown: int | None):
        self.unknown = unknown
        self._lengths: list[int] = []
        self._found = 0

    def count(self, ids: list[int]) -> None:
        """Count one row, before it is cut."""
        self._lengths.append(len(ids))
        if self.unknown is not None:
            self._found += ids.count(self.unknown)

    def side(self, limit: int) -> Side:
        """What was counted, and the limit that rows were cut to."""
        return Side(tuple(self._lengths), limit, self._found)


def _cut_target(ids: list[int], limit: int, language_behind: bool) -> list[int]:
    """The first `limit` ids; a language that stands behind a text, from where models take it, stays there."""
    if len(ids) <= limit:
        return ids
    return [*ids[: limit - 1], ids[-1]] if language_behind else ids[:limit]


class TextProcessor(Processor):
    """Processes text: `input_ids` and `attention_mask`, padded on the right. Sources get the section's prefix."""

    def encode(self, rows: Dataset) -> EncodedDataset:
        """Token ids, cut to the section's lengths."""
        read = self._counter()
        written = self._counter()
        sources = RaggedInts(self._source_ids(rows["source"], read))
        labels = RaggedInts(self.target_ids(rows["target"], written))
        source_side = read.side(self._limit("source_length"))
        target_side = written.side(self._limit("target_length"))
        return EncodedDataset(sources, sources.lengths, labels, source_side, target_side)

    def _source_ids(self, texts: Sequence[str], counter: SideCounter) -> Iterator[list[int]]:
        """Token ids; long rows are cut by the tokenizer, which knows what must stand at their end."""
        limit = self._limit("source_length")
        tokenizer: Any = self.tokenizer
        for chunk in _chunks(texts):
            prefixed = [self.section.prefix + text for text in chunk]
            for text, ids in zip(prefixed, self._tokenized(text=prefixed), strict=True):
                counter.count(ids)
                yield ids if len(ids) <= limit else tokenizer(text, truncation=True, max_length=limit)["input_ids"]

    def _pad(self, sources: Sequence[Any]) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` of shape [rows, longest]."""
        ids = [torch.tensor(source) for source in sources]
        padding = self.tokenizer.pad_token_id or 0
        mask = pad_sequence([torch.ones_like(each) for each in ids], batch_first=True)
        return {"input_ids": pad_sequence(ids, batch_first=True, padding_value=padding), "attention_mask": mask}


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


def _chunks(column: Any) -> Iterator[list[str]]:
    """The texts of a column, `CHUNK` at a time."""
    for start in range(0, len(column), CHUNK):
        yield list(column[start : start + CHUNK])
