"""What stands between a task's rows and a model: how texts become token ids, and answers become text."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, Features, List, Value, concatenate_datasets
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from prunekit._support.suggest import hint
from prunekit.data.encoded import EncodedDataset, RaggedInts
from prunekit.errors import PrunekitError
from prunekit.recipe import TaskSection

log = logging.getLogger(__name__)

IDS = Features({"input_ids": List(Value("int32")), "labels": List(Value("int32"))})
"""The columns of encoded rows of text."""

CHUNK = 1000
"""Rows tokenised at a time, so that a large set never stands in memory as Python lists."""


class Processor(ABC):
    """Turns a task's rows into what one model reads, and what the model generates into text.

    Example: a `TextProcessor` pads the ids of "speed" and "a" to tensors of shape [2, longest]. `section` says how
    texts are cut and prefixed; `save_pretrained` writes what another process needs to read in the same way.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, section: TaskSection):
        self.tokenizer, self.section = tokenizer, section

    @abstractmethod
    def encode(self, rows: Dataset) -> EncodedDataset:
        """The rows of a task, encoded."""

    @abstractmethod
    def pad(self, sources: Sequence[Any]) -> dict[str, Tensor]:
        """Encoded sources as the tensors that the model's encoder takes, [rows, ...] each, on the CPU."""

    def decode(self, answers: Tensor) -> list[str]:
        """Generated ids [rows, tokens] as one text each, without special tokens."""
        decoded = self.tokenizer.batch_decode(answers, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return [text.strip() for text in decoded]

    def save_pretrained(self, directory: Path) -> None:
        """Write the tokenizer into a model's directory."""
        self.tokenizer.save_pretrained(directory)


class TextProcessor(Processor):
    """Reads texts: `input_ids` and `attention_mask`, padded on the right."""

    def encode(self, rows: Dataset) -> EncodedDataset:
        """Token ids, cut to the section's lengths."""
        encoded = encode(rows, self.tokenizer, self.section)
        sources = RaggedInts(encoded["input_ids"][:])
        return EncodedDataset(sources, sources.lengths, encoded["labels"][:])

    def pad(self, sources: Sequence[Any]) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` of shape [rows, longest]."""
        rows = [torch.tensor(ids) for ids in sources]
        padding = self.tokenizer.pad_token_id or 0
        mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        return {"input_ids": pad_sequence(rows, batch_first=True, padding_value=padding), "attention_mask": mask}


class Collator:
    """Pads a list of encoded rows to one batch; keeps the rows' numbers, by which teacher outputs are remembered."""

    def __init__(self, processor: Processor, model: PreTrainedModel):
        self.processor, self.model = processor, model

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """A batch of what the encoder reads, with labels [rows, longest], -100 behind their end, and index.

        Models that can make decoder_input_ids from labels do; the others make them in their forward pass.
        """
        answers = [torch.tensor(row["labels"], dtype=torch.long) for row in rows]
        labels = pad_sequence(answers, batch_first=True, padding_value=-100)
        batch = {**self.processor.pad([row["source"] for row in rows]), "labels": labels}
        if (shifted := getattr(self.model, "prepare_decoder_input_ids_from_labels", None)) is not None:
            batch["decoder_input_ids"] = shifted(labels=labels)
        return {**batch, "index": torch.tensor([row["index"] for row in rows])}


def encode(rows: Dataset, tokenizer: PreTrainedTokenizerBase, section: TaskSection) -> Dataset:
    """Token ids of `rows`, in memory, with the columns `IDS`.

    Sources carry the section's prefix; both sides are cut to its lengths. A multilingual tokenizer is told the
    section's languages first and keeps them.
    """
    _set_languages(tokenizer, section)
    parts = [_encoded(rows[start : start + CHUNK], tokenizer, section) for start in range(0, len(rows), CHUNK)]
    return concatenate_datasets(parts) if parts else Dataset.from_dict({name: [] for name in IDS}, features=IDS)


def _encoded(chunk: Mapping[str, Sequence[str]], tokenizer: PreTrainedTokenizerBase, section: TaskSection) -> Dataset:
    prefixed = [section.prefix + text for text in chunk["source"]]
    sources = tokenizer(prefixed, truncation=True, max_length=section.source_length)["input_ids"]
    return Dataset.from_dict({"input_ids": sources, "labels": encode_targets(chunk, tokenizer, section)}, features=IDS)


def encode_targets(
    chunk: Mapping[str, Sequence[str]], tokenizer: PreTrainedTokenizerBase, section: TaskSection
) -> list[list[int]]:
    """Token ids of the right answers, cut to the section's length."""
    encoded = tokenizer(text_target=list(chunk["target"]), truncation=True, max_length=section.target_length)
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def _set_languages(tokenizer: PreTrainedTokenizerBase, section: TaskSection) -> None:
    """Tell a multilingual tokenizer its languages; others have nothing to tell, which is worth a warning."""
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
