"""Processors: from a task's rows to what a model reads, and from what it generates to text."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from prunekit._support.suggest import hint
from prunekit.data.encoded import EncodedDataset, RaggedInts
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection

log = logging.getLogger(__name__)

CHUNK = 1000
"""Rows tokenized at a time, so that a large table is never in memory as Python lists."""


class Processor(ABC):
    """Turns a task's rows into what one model reads, and what the model generates into text.

    Example: a `TextProcessor` pads the ids of "speed" and "a" to tensors of shape [2, longest]. `section` says how
    texts are cut and prefixed; `save_pretrained` writes what another process needs to do the same.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, section: TaskSection):
        self.tokenizer = tokenizer
        self.section = section

    @abstractmethod
    def encode(self, rows: Dataset) -> EncodedDataset:
        """The rows of a task, encoded; texts are cut to the section's lengths."""

    @abstractmethod
    def pad(self, sources: Sequence[Any]) -> dict[str, Tensor]:
        """Encoded sources as the inputs of the model's encoder, tensors of shape [rows, ...] on the CPU."""

    def decode(self, answers: Tensor) -> list[str]:
        """Generated ids [rows, tokens] as one text per row, without special tokens."""
        decoded = self.tokenizer.batch_decode(answers, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return [text.strip() for text in decoded]

    def save_pretrained(self, directory: Path) -> None:
        """Write the tokenizer into a model's directory."""
        self.tokenizer.save_pretrained(directory)

    def target_ids(self, rows: Dataset) -> Iterator[list[int]]:
        """The token ids of each row's target."""
        for texts in _chunks(rows["target"]):
            yield from self._tokenized(self.section.target_length, text_target=texts)

    def _tokenized(self, length: int, **texts: list[str]) -> list[list[int]]:
        """Token ids of texts, cut to a length."""
        tokenizer: Any = self.tokenizer
        ids: list[list[int]] = tokenizer(**texts, truncation=True, max_length=length)["input_ids"]
        return ids


class TextProcessor(Processor):
    """Processes text: `input_ids` and `attention_mask`, padded on the right. Sources get the section's prefix."""

    def encode(self, rows: Dataset) -> EncodedDataset:
        """Token ids; a multilingual tokenizer is set to the section's languages first, and keeps them.

        Raises `PrunekitError` for a language that the tokenizer does not have.
        """
        _set_languages(self.tokenizer, self.section)
        sources = RaggedInts(self._source_ids(rows))
        return EncodedDataset(sources, sources.lengths, RaggedInts(self.target_ids(rows)))

    def _source_ids(self, rows: Dataset) -> Iterator[list[int]]:
        for texts in _chunks(rows["source"]):
            yield from self._tokenized(self.section.source_length, text=[self.section.prefix + text for text in texts])

    def pad(self, sources: Sequence[Any]) -> dict[str, Tensor]:
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


def _set_languages(tokenizer: PreTrainedTokenizerBase, section: TaskSection) -> None:
    """Set a multilingual tokenizer to the section's languages; warn if a tokenizer has none."""
    for attribute, language in (("src_lang", section.source_language), ("tgt_lang", section.target_language)):
        if language is None:
            continue
        if not hasattr(tokenizer, attribute):
            log.warning("%s has no languages, so %r is not used.", type(tokenizer).__name__, language)
            continue
        known = getattr(tokenizer, "lang_code_to_id", None) or {language: 0}
        if language not in known:
            raise PrunekitError(f"{type(tokenizer).__name__} has no language {language!r}; {hint(language, known)}")
        setattr(tokenizer, attribute, language)
