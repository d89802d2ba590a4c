"""Hidden-state distillation: which layer of the student learns from which layer of the teacher, and how far it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from prunekit.find.groups import Kind, PruningGroup
from prunekit.learn.training.distillation import Distillation, Matching, Recorder, squared_error

MAPS = "prunekit_maps"
"""Where learned maps lie in the model while it trains."""
TEACHERS = 4
"""So many of the teacher's layers teach where layers are matched: the last of each quarter of the depth."""

LayerPairs = Mapping[str, Sequence[str]]


class HiddenStateLoss:
    """The hidden states of the latest pass of student and teacher, compared stack by stack.

    Layers are compared one by one, or `matched` anew at every step (CoFi). Hidden dimensions that are masked count as
    the masks leave them, so that a dimension which the teacher needs pulls its gate open. `dimensions` says which of
    the teacher's hidden dimensions, by position, the student still has.
    """

    def __init__(
        self,
        losses: Distillation,
        student: nn.Module,
        student_layers: LayerPairs,
        teacher: nn.Module,
        teacher_layers: LayerPairs,
        dimensions: Mapping[str, Sequence[int]] | None = None,
        groups: Sequence[PruningGroup] = (),
    ):
        self.losses, self.student, self.groups = losses, student, groups
        self.paths = {stack: list(student_layers[stack]) for stack in losses.hidden}
        self.dimensions = {stack: list(places) for stack, places in (dimensions or {}).items()}
        teaching = {stack: list(teacher_layers[stack]) for stack in losses.hidden}
        if losses.matching != "same":
            teaching = {stack: [paths[n] for n in quarters(len(paths))] for stack, paths in teaching.items()}
        self.mine, self.theirs = Recorder(student, self.paths), Recorder(teacher, teaching)
        self.maps = nn.ModuleDict()
        if losses.state_map == "learned":
            config: Any = student.config
            width = config.hidden_size
            sizes = {stack: len(self.dimensions.get(stack, range(width))) for stack in losses.hidden}
            self.maps = nn.ModuleDict({stack: identity(size) for stack, size in sizes.items()})
            student.add_module(MAPS, self.maps.to(next(student.parameters()).device))

    def __call__(self, real: Mapping[str, Tensor | None], masks: Mapping[str, Tensor]) -> Tensor:
        """The weighted distance of the latest passes over `real` tokens [batch, tokens], under these keep-values.

        Without a mask all tokens are real; one of another length is that of what the encoder's convolutions read.
        """
        student, teacher = self.mine.take(), self.theirs.take()
        total: Any = 0.0
        for stack, weight in self.losses.hidden.items():
            left = self.dimensions.get(stack)
            theirs = [state if left is None else state[..., left] for state in teacher[stack]]
            mine = [self._seen(stack, state, masks) for state in student[stack]]
            total = total + weight * self._distance(stack, mine, theirs, covering(real[stack], theirs[0]), masks)
        result: Tensor = total
        return result

    def _distance(
        self, stack: str, mine: Sequence[Tensor], theirs: Sequence[Tensor], real: Tensor, masks: Mapping[str, Tensor]
    ) -> Tensor:
        """How far a stack's states are apart; which layers exist is asked only where that matters."""
        matching = self.losses.matching
        existing = present(self.paths[stack], self.groups, masks) if matching != "same" else ()
        return matched(mine, theirs, real, existing, matching)

    def _seen(self, stack: str, state: Tensor, masks: Mapping[str, Tensor]) -> Tensor:
        """A student's state [batch, tokens, d] with its dimensions masked, through the map if there is one."""
        state = state.float()
        for group in self.groups:
            if group.kind is Kind.HIDDEN and group.stack in ("", stack) and group.name in masks:
                state = state * masks[group.name].to(state)
        if stack in self.maps:
            state = self.maps[stack](state)
        return state

    def release(self) -> None:
        """Take the recorders off both models, and the maps off the student."""
        self.mine.remove()
        self.theirs.remove()
        if self.maps:
            delattr(self.student, MAPS)


def covering(real: Tensor | None, state: Tensor) -> Tensor:
    """Which positions of a state [batch, tokens, d] are real, where the mask may be of finer grain than the state."""
    tokens = state.shape[1]
    if real is None:
        return torch.ones(state.shape[:2], dtype=torch.bool, device=state.device)
    return real if real.shape[1] == tokens else real[:, torch.arange(tokens) * real.shape[1] // tokens]


def quarters(layers: int) -> list[int]:
    """The last layer of each quarter of the depth: 2, 5, 8 and 11 of 12; every layer where there are at most four."""
    count = min(TEACHERS, layers)
    return [layers * (n + 1) // count - 1 for n in range(count)]


def identity(width: int) -> nn.Linear:
    """A linear map that begins as the identity."""
    layer = nn.Linear(width, width)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def present(paths: Sequence[str], groups: Sequence[PruningGroup], masks: Mapping[str, Tensor]) -> list[bool]:
    """Which layers still do something: all but those whose heads and channels are masked to the last.

    A layer counts while any sub-layer of it does, attention or feed-forward.
    """
    result = []
    for path in paths:
        own = [masks[g.name] for g in groups if g.slices and g.slices[0].parameter.startswith(f"{path}.")]
        result.append(not own or any(bool((values > 0).any()) for values in own))
    return result


def matched(
    mine: Sequence[Tensor], theirs: Sequence[Tensor], real: Tensor, existing: Sequence[bool], matching: Matching
) -> Tensor:
    """The mean squared error between the states of each teaching layer and of the student's layer that it is given.

    ``same`` pairs them in order. ``nearest`` gives each teaching layer the existing layer of least error;
    ``downward`` does so from the top, and only layers below the one last given (CoFi's version 4). There the
    candidates' own numbers are compared, which CoFi's code does not, and a teaching layer for which none is left is
    passed over, where CoFi's code runs out of range.
    """
    if matching == "same":
        return torch.stack([squared_error(a, b, real) for a, b in zip(mine, theirs, strict=True)]).mean()
    errors, below = [], len(mine)
    for teaching in reversed(theirs):
        candidates = [n for n in range(len(mine)) if existing[n] and n < below]
        if not candidates:
            break
        with torch.no_grad():
            costs = {n: float(squared_error(mine[n], teaching, real)) for n in candidates}
        best = min(candidates, key=lambda n: (costs[n], -n))
        errors.append(squared_error(mine[best], teaching, real))
        below = best if matching == "downward" else below
    return torch.stack(errors).mean() if errors else mine[-1].new_zeros(())
