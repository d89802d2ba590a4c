"""A cache of an unchanging encoder's outputs per training row, so that later epochs need not run the encoder."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from prunekit._support.patching import patched

GIGABYTE = 1e9

LIMIT = 2_000_000_000
"""Bytes that a cache may hold unless told otherwise."""


def lengths_of(mask: Tensor) -> list[int]:
    """One more than the position of the last true value in each row of `mask` [rows, positions]; 0 without any."""
    positions = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    lengths: list[int] = torch.where(mask.bool(), positions, 0).amax(dim=1).tolist()
    return lengths


class EncoderCache:
    """Hidden states [tokens, d] by the number of the training row, until they have `limit` bytes; `is_full` says so.

    `rows` are the numbers of the rows in the current batch; while it is None the encoder runs. An encoder that returns
    more than its last hidden states always runs. Example: 423 windows of 1,500 positions of Whisper tiny take 975 MB.
    """

    def __init__(self, limit: int = LIMIT):
        self.limit = limit
        self.bytes = 0
        self.rows: list[int] | None = None
        self.states: dict[int, Tensor] = {}
        self.is_full = False
        self._output_class: Any = None

    def clear(self) -> None:
        """Forget all states: the encoder has changed, or is going to."""
        self.bytes = 0
        self.rows = None
        self.states.clear()
        self.is_full = False

    @contextmanager
    def of(self, encoder: nn.Module) -> Iterator[None]:
        """Inside the block, calls of `encoder` are answered from the cache where it holds all rows of the batch."""
        run = encoder.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            mask = kwargs.get("attention_mask")
            cached = self._get(mask)
            if cached is not None:
                return cached
            with torch.no_grad():
                output = run(*args, **kwargs)
            unknown = self._output_class is None
            self._put(output, mask)
            return self._get(mask) or output if unknown else output

        with patched(encoder, "forward", forward):
            yield

    def _get(self, mask: Tensor | None) -> Any:
        """An output with the current rows' states, padded to the longest or to the mask; None if one is missing."""
        if self.rows is None or self._output_class is None or any(row not in self.states for row in self.rows):
            return None
        cached = [self.states[row] for row in self.rows]
        longest = max(len(states) for states in cached)
        tokens = longest if mask is None else max(longest, mask.shape[1])
        padded = cached[0].new_zeros(len(cached), tokens, cached[0].shape[1])
        for target, states in zip(padded, cached, strict=True):
            target[: len(states)] = states
        return self._output_class(last_hidden_state=padded if mask is None else padded.to(mask.device))

    def _put(self, output: Any, mask: Tensor | None) -> None:
        """Add the states of the current rows, cut to their real lengths."""
        if self.rows is None or not _is_states_only(output):
            return
        states: Tensor = output["last_hidden_state"]
        lengths = [states.shape[1]] * len(states)
        if mask is not None:
            if mask.shape != states.shape[:2]:
                return  # a mask of frames, which the encoder joins: how many states are real is not known here
            lengths = lengths_of(mask)
        self._output_class = type(output)
        if self.bytes >= self.limit:
            self.is_full = self.is_full or any(row not in self.states for row in self.rows)
            return
        for row, length, own in zip(self.rows, lengths, states.cpu(), strict=True):
            if row not in self.states:
                self.add(row, own[:length].clone())

    def add(self, row: int, states: Tensor) -> None:
        """Keep the states [tokens, d] of a row."""
        self.states[row] = states
        self.bytes += states.numel() * states.element_size()


def _is_states_only(output: Any) -> bool:
    """Whether an encoder's output is its last hidden states and nothing else."""
    return isinstance(output, dict) and list(output) == ["last_hidden_state"]
