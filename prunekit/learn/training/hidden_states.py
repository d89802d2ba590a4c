"""Hidden-state distillation: which layer of the student is compared with which layer of the teacher, and how."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from prunekit._support.hooks import HookSet
from prunekit.find.groups import Kind, PruningGroup
from prunekit.learn.training.distillation import Distillation, Matching
from prunekit.learn.training.distillation_loss import cover_states, squared_error

MAPS = "prunekit_maps"
"""The name of the learned maps among the model's modules while it trains."""
TEACHING_LAYERS = 4
"""How many of the teacher's layers are compared when layers are matched: the last of each quarter of the depth."""

LayerPaths = Mapping[str, Sequence[str]]
"""The paths of a model's layers, by stack."""


class StateRecorder:
    """Keeps the outputs of some layers in the latest forward pass: hidden states [batch, tokens, d], by stack."""

    def __init__(self, model: nn.Module, layers: LayerPaths):
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
        """The states since the last call, by stack and layer; the recorder is empty afterwards."""
        taken = {stack: list(states) for stack, states in self.states.items()}
        for states in self.states.values():
            states.clear()
        return taken


class HiddenStateLoss:
    """The squared error between hidden states of student and teacher in their latest forward pass, stack by stack.

    Layers are compared one by one, or `match_layers` pairs them anew at every step (CoFi). Masked hidden dimensions are
    compared as the masks leave them, so that a dimension which the teacher needs opens its gate. `dimensions` are the
    positions of the teacher's hidden dimensions that the student still has. `groups` are those that the gates mask.
    """

    def __init__(
        self,
        distillation: Distillation,
        student: nn.Module,
        student_layers: LayerPaths,
        teacher: nn.Module,
        teacher_layers: LayerPaths,
        dimensions: Mapping[str, Sequence[int]] | None = None,
        groups: Sequence[PruningGroup] = (),
    ):
        self.distillation = distillation
        self.student = student
        self.groups = groups
        stacks = distillation.hidden_weights
        self.paths = {stack: list(student_layers[stack]) for stack in stacks}
        self.dimensions = {stack: list(positions) for stack, positions in (dimensions or {}).items()}
        teaching = {stack: list(teacher_layers[stack]) for stack in stacks}
        if distillation.matching != "same":
            teaching = {stack: [paths[n] for n in teaching_layers(len(paths))] for stack, paths in teaching.items()}
        self.student_states = StateRecorder(student, self.paths)
        self.teacher_states = StateRecorder(teacher, teaching)
        self.maps = nn.ModuleDict()
        if distillation.state_map == "learned":
            self._add_maps()

    def _add_maps(self) -> None:
        """Add a learned map per stack to the student, so that optimizer and checkpoints include it."""
        student: Any = self.student
        width = student.config.hidden_size
        sizes = {stack: len(self.dimensions.get(stack, range(width))) for stack in self.paths}
        self.maps = nn.ModuleDict({stack: identity_map(size) for stack, size in sizes.items()})
        student.add_module(MAPS, self.maps.to(next(student.parameters()).device))

    def __call__(self, real: Mapping[str, Tensor | None], masks: Mapping[str, Tensor]) -> Tensor:
        """The weighted loss of the latest forward passes over `real` tokens, under these keep-values of the gates.

        `real` has a mask [batch, tokens] per stack. None means that all tokens are real; a mask of another length is
        that of the frames which the encoder's convolutions read.
        """
        student = self.student_states.take()
        teacher = self.teacher_states.take()
        total: Any = 0.0
        for stack, weight in self.distillation.hidden_weights.items():
            kept = self.dimensions.get(stack)
            theirs = [state if kept is None else state[..., kept] for state in teacher[stack]]
            mine = [self._compared(stack, state, masks) for state in student[stack]]
            total = total + weight * self._error(stack, mine, theirs, cover_states(real[stack], theirs[0]), masks)
        result: Tensor = total
        return result

    def _error(
        self, stack: str, mine: Sequence[Tensor], theirs: Sequence[Tensor], real: Tensor, masks: Mapping[str, Tensor]
    ) -> Tensor:
        """The error of one stack. Which layers still exist is computed only where it matters."""
        matching = self.distillation.matching
        existing = existing_layers(self.paths[stack], self.groups, masks) if matching != "same" else ()
        return match_layers(mine, theirs, real, existing, matching)

    def _compared(self, stack: str, state: Tensor, masks: Mapping[str, Tensor]) -> Tensor:
        """A student's state [batch, tokens, d] with its dimensions masked, through the map if there is one."""
        state = state.float()
        for group in self.groups:
            if group.kind is Kind.HIDDEN and group.stack in ("", stack) and group.name in masks:
                state = state * masks[group.name].to(state)
        if stack in self.maps:
            state = self.maps[stack](state)
        return state

    def remove(self) -> None:
        """Remove the recorders from both models, and the maps from the student."""
        self.student_states.remove()
        self.teacher_states.remove()
        if self.maps:
            delattr(self.student, MAPS)


def teaching_layers(layers: int) -> list[int]:
    """The last layer of each quarter of the depth: 2, 5, 8 and 11 of 12; every layer where there are at most four."""
    count = min(TEACHING_LAYERS, layers)
    return [layers * (n + 1) // count - 1 for n in range(count)]


def identity_map(width: int) -> nn.Linear:
    """A linear map of `width` dimensions that starts as the identity."""
    layer = nn.Linear(width, width)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def existing_layers(paths: Sequence[str], groups: Sequence[PruningGroup], masks: Mapping[str, Tensor]) -> list[bool]:
    """Which layers still compute something: all but those whose heads and channels are all masked.

    A layer exists while any of its sub-layers does, attention or feed-forward.
    """
    result = []
    for path in paths:
        own = [masks[g.name] for g in groups if g.slices and g.slices[0].parameter.startswith(f"{path}.")]
        result.append(not own or any(bool((values > 0).any()) for values in own))
    return result


def match_layers(
    mine: Sequence[Tensor], theirs: Sequence[Tensor], real: Tensor, existing: Sequence[bool], matching: Matching
) -> Tensor:
    """The mean squared error between the states of each teaching layer and of the student's layer matched with it.

    ``same`` pairs them in order. ``nearest`` matches each teaching layer with the existing layer of least error;
    ``downward`` does so from the top, and only with layers below the previous match (CoFi's version 4). There the
    candidates' own numbers are compared, which CoFi's code does not, and a teaching layer without candidates is left
    out, where CoFi's code runs out of range.
    """
    if matching == "same":
        return torch.stack([squared_error(a, b, real) for a, b in zip(mine, theirs, strict=True)]).mean()
    errors = []
    below = len(mine)
    for teaching in reversed(theirs):
        candidates = [n for n in range(len(mine)) if existing[n] and n < below]
        if not candidates:
            break
        with torch.no_grad():
            costs = {n: float(squared_error(mine[n], teaching, real)) for n in candidates}
        nearest = min(candidates, key=lambda n: (costs[n], -n))
        errors.append(squared_error(mine[nearest], teaching, real))
        below = nearest if matching == "downward" else below
    return torch.stack(errors).mean() if errors else mine[-1].new_zeros(())
