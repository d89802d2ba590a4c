"""The teacher of a distillation: the dense model, and a cache of its predictions."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.learn.training.encoder_cache import LIMIT, EncoderCache, lengths_of

TeacherKey = tuple[int, float]
"""The number of a training example, and the temperature of the teacher's log-probabilities."""


class TeacherCache:
    """The teacher's log-probabilities per training example, kept in 16 bit so that later epochs need no teacher.

    It takes ``2 * tokens * vocabulary`` bytes per example and stops growing above `limit` bytes. Example: 120,000 words
    of 7 phonemes with 69 symbols take 116 MB. `encoder_cache` holds the outputs of the teacher's encoder, up to
    `encoder_limit` bytes.
    """

    def __init__(self, limit: int = LIMIT, encoder_limit: int = LIMIT):
        self.limit = limit
        self.encoder_cache = EncoderCache(encoder_limit)
        self.states: dict[TeacherKey, Tensor] = {}
        self.bytes = 0

    def get(self, keys: Sequence[TeacherKey], tokens: int) -> Tensor | None:
        """Log-probabilities [batch, tokens, vocabulary] if all examples are cached, with zeros after shorter ones."""
        if any(key not in self.states for key in keys):
            return None
        rows = [self.states[key] for key in keys]
        padded = torch.zeros(len(rows), tokens, rows[0].shape[-1])
        for target, row in zip(padded, rows, strict=True):
            target[: len(row)] = row
        return padded

    def put(self, keys: Sequence[TeacherKey], labels: Tensor, values: Tensor) -> None:
        """Cache log-probabilities [batch, tokens, vocabulary] at real tokens; does nothing above the limit.

        The batch leaves an accelerator in one copy: row by row, each copy would wait for the device.
        """
        if self.bytes > self.limit:
            return
        lengths = lengths_of(labels != -100)
        rows = values.half().cpu()
        for key, length, value in zip(keys, lengths, rows, strict=True):
            if key not in self.states:
                self.add(key, value[:length].clone())

    def add(self, row: TeacherKey, states: Tensor) -> None:
        """Keep the log-probabilities [tokens, vocabulary] of an example, in 16 bit."""
        self.states[row] = states
        self.bytes += states.numel() * 2


class Teacher:
    """The dense model, asked for log-probabilities and hidden states.

    `layers` are the paths, by stack, of those of its layers that the student still has; `dimensions` the positions of
    the hidden dimensions that the student still has, for the stacks that lost some. Example: for a student that keeps
    decoder layers 0 and 11 the layers of ``decoder`` are ``decoder.block.0`` and ``decoder.block.11``.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        layers: Mapping[str, list[str]],
        cache: TeacherCache | None = None,
        dimensions: Mapping[str, list[int]] | None = None,
    ):
        model.train(False)
        self.model = model.requires_grad_(False)
        self.layers = layers
        self.dimensions = dimensions or {}
        self.cache = cache if cache is not None else TeacherCache()

    @classmethod
    def of(
        cls,
        model: PreTrainedModel,
        groups: Sequence[PruningGroup],
        plan: PruningPlan,
        cache: TeacherCache | None = None,
    ) -> "Teacher":
        """The dense `model` with these `groups` as the teacher of the student that `plan` makes of it."""
        stacks = [group for group in groups if group.kind is Kind.LAYERS]
        layers = {g.stack: [f"{g.path}.{n}" for n in g.positions(plan.of(g))] for g in stacks}
        hidden = {group.stack: group for group in groups if group.kind is Kind.HIDDEN}
        dimensions = {}
        for stack in layers:
            group = hidden.get(stack, hidden.get(""))
            if group is not None and len(plan.of(group)) < len(group):
                dimensions[stack] = group.positions(plan.of(group))
        return cls(model, layers, cache, dimensions)
