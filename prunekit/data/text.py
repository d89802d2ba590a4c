"""Text: token ids of sources and targets, each row in its own languages."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from prunekit.data.asking import Asking
from prunekit.data.encoded import EncodedDataset, RaggedInts, SideCounter
from prunekit.data.processors import Processor


class TextProcessor(Processor):
    """Processes text: `input_ids` and `attention_mask`, padded on the right. Sources get the section's prefix."""

    def encode(self, rows: Dataset) -> EncodedDataset:
        """Token ids, cut to the section's lengths."""
        read = self._counter()
        written = self._counter()
        askings = self.askings(rows)
        sources = RaggedInts(self._source_ids(rows["source"], read, askings))
        labels = RaggedInts(self.target_ids(rows["target"], written, askings))
        source_side = read.side(self._limit("source_length"))
        target_side = written.side(self._limit("target_length"))
        return EncodedDataset(sources, sources.lengths, labels, source_side, target_side, askings)

    def _source_ids(
        self, texts: Sequence[str], counter: SideCounter, askings: Sequence[Asking] | None
    ) -> Iterator[list[int]]:
        """Token ids; long rows are cut by the tokenizer, which knows what must stand at their end."""
        limit = self._limit("source_length")
        tokenizer: Any = self.tokenizer

        def encode(chunk: list[str]) -> Iterator[tuple[list[int], list[int]]]:
            prefixed = [self.section.prefix + text for text in chunk]
            for text, ids in zip(prefixed, self._tokenized(text=prefixed), strict=True):
                whole = len(ids) <= limit
                yield ids, ids if whole else tokenizer(text, truncation=True, max_length=limit)["input_ids"]

        for ids, cut in self._in_order(texts, askings, encode):
            counter.count(ids)
            yield cut

    def _pad(self, sources: Sequence[Any]) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` of shape [rows, longest]."""
        ids = [torch.tensor(source) for source in sources]
        padding = self.tokenizer.pad_token_id or 0
        mask = pad_sequence([torch.ones_like(each) for each in ids], batch_first=True)
        return {"input_ids": pad_sequence(ids, batch_first=True, padding_value=padding), "attention_mask": mask}
