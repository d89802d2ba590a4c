"""Distillation: what the student learns from labels, from the teacher's predictions and from its hidden states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunekit._support.hooks import HookSet
from prunekit.learn.training.encoder_cache import LIMIT, EncoderCache, lengths_of

Matching = Literal["same", "nearest", "downward"]


@dataclass(frozen=True)
class Distillation:
    """Weights of the loss terms; a term of weight 0 is neither computed nor needs the teacher.

    ``cross_entropy * CE + logits * T**2 * KL(teacher/T || student/T) + encoder_hidden * MSE + decoder_hidden * MSE``,
    each a mean over the tokens that are not padding (Hinton et al. 2015 for T**2). Hidden states are compared layer by
    layer: encoder layer l with layer l, a decoder layer with the teacher's layer that it was. With a `matching` other
    than ``same``, four layers of the teacher, spread over the depth, each teach the layer that comes ``nearest`` at
    that step, or the nearest below the one before (``downward``), see
    `prunekit.learn.training.hidden_states`. A ``learned`` `state_map` of size d x d, the identity at first, lies
    between the student's states and the comparison.
    """

    cross_entropy: float = 1.0
    logits: float = 0.5
    encoder_hidden: float = 0.001
    decoder_hidden: float = 0.0
    temperature: float = 2.0
    matching: Matching = "same"
    state_map: Literal["identity", "learned"] = "identity"

    @property
    def hidden(self) -> dict[str, float]:
        """The stacks whose hidden states are compared, with their weights."""
        weights = {"encoder": self.encoder_hidden, "decoder": self.decoder_hidden}
        return {stack: weight for stack, weight in weights.items() if weight > 0}

    @property
    def needs_teacher(self) -> bool:
        """Whether any term looks at the teacher."""
        return self.logits > 0 or bool(self.hidden)


class Recorder:
    """Keeps what the layers of some stacks put out in the latest forward pass: hidden states [batch, tokens, d]."""

    def __init__(self, model: nn.Module, layers: Mapping[str, Sequence[str]]):
        self.states: dict[str, list[Tensor]] = {stack: [] for stack in layers}
        self._hooks = HookSet()
        for stack, paths in layers.items():
            for path in paths:
                self._hooks.after(model.get_submodule(path), self._keep(stack))

    def remove(self) -> None:
        """Remove the hooks."""
        self._hooks.remove()

    def _keep(self, stack: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            self.states[stack].append(output[0] if isinstance(output, tuple) else output)

        return hook

    def take(self) -> dict[str, list[Tensor]]:
        """The states since the last call, which are forgotten."""
        taken = {stack: list(states) for stack, states in self.states.items()}
        for states in self.states.values():
            states.clear()
        return taken


def soften(logits: Tensor, temperature: float) -> Tensor:
    """Log-probabilities at a temperature, in float32: [batch, tokens, vocabulary]."""
    return F.log_softmax(logits.float() / temperature, dim=-1)


def divergence(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """KL(teacher || student) between log-probabilities, a mean over the tokens whose label is not -100."""
    per_token = F.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=-1)
    real = labels != -100
    return (per_token * real).sum() / real.sum().clamp(min=1)


def squared_error(student: Tensor, teacher: Tensor, real: Tensor) -> Tensor:
    """The mean squared error of states [batch, tokens, d] over real tokens; `real` [batch, tokens] is 0 for padding."""
    weights = real.unsqueeze(-1).float()
    squares = (student.float() - teacher.float()).square() * weights
    return squares.sum() / (weights.sum() * student.shape[-1]).clamp(min=1)


Key = tuple[int, float]
"""A training example's number and the temperature at which the teacher was asked."""


class TeacherCache:
    """The teacher's log-probabilities per training example, kept in 16 bit so that later epochs need no teacher.

    Costs ``2 * tokens * vocabulary`` bytes, so it is used only while that stays under `limit` bytes. Example: 120,000
    words of 7 phonemes with 69 symbols take 116 MB. `states` are what the teacher's encoder gave.
    """

    def __init__(self, limit: int = LIMIT, states_limit: int = LIMIT):
        self.limit, self.states = limit, EncoderCache(states_limit)
        self.rows: dict[Key, Tensor] = {}
        self.bytes = 0

    def get(self, keys: Sequence[Key], tokens: int) -> Tensor | None:
        """Log-probabilities [batch, tokens, vocabulary] if every example is known, zeros where it is shorter."""
        if any(key not in self.rows for key in keys):
            return None
        rows = [self.rows[key] for key in keys]
        result = torch.zeros(len(rows), tokens, rows[0].shape[-1])
        for place, row in zip(result, rows, strict=True):
            place[: len(row)] = row
        return result

    def put(self, keys: Sequence[Key], labels: Tensor, values: Tensor) -> None:
        """Remember the rows' real tokens; does nothing once the limit is reached.

        The batch leaves an accelerator in one piece: asking it row by row would wait for it as often.
        """
        if self.bytes > self.limit:
            return
        lengths, rows = lengths_of(labels != -100), values.half().cpu()
        for key, length, value in zip(keys, lengths, rows, strict=True):
            row = value[:length].clone()
            self.rows[key] = row
            self.bytes += row.numel() * 2
