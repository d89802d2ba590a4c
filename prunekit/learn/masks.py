"""Masks: multiply units of a live model by keep-values, reversibly, through hooks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from prunekit.find.units import Kind, PruningGroup, PruningPlan

Values = Mapping[str, Tensor]
"""Keep-values per group name, one per unit, in the order of the group's ids."""


class Masks:
    """Hooks that multiply the units of `groups` by the keep-values in `values`, which may change between passes.

    Heads and FFN channels are multiplied where they are consumed: at the input of the output projection. There a unit
    with value 0 contributes nothing, biases included, which is what cutting it means. A layer with value z gives
    ``z * f(x) + (1 - z) * x``, so that a dropped one is the identity for pre-norm and post-norm models alike.
    """

    def __init__(self, model: nn.Module, groups: Sequence[PruningGroup]):
        self.values: dict[str, Tensor] = {}
        self._handles: list[Any] = []
        for group in groups:
            for piece in group.slices:
                path, _, leaf = piece.parameter.rpartition(".")
                if piece.dim == 1 and leaf == "weight":
                    hook = self._multiply(group.name, piece.span)
                    self._handles.append(model.get_submodule(path).register_forward_pre_hook(hook))
            if group.kind is Kind.LAYERS:
                for position, layer in enumerate(model.get_submodule(group.path).children()):
                    skip = self._skip(group.name, position)
                    self._handles.append(layer.register_forward_hook(skip, with_kwargs=True))

    def remove(self) -> None:
        """Take the hooks off; the model is as before."""
        for handle in self._handles:
            handle.remove()

    def _multiply(self, name: str, span: int) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            if (value := self.values.get(name)) is None:
                return None
            wide = value.repeat_interleave(span) if span > 1 else value
            return (args[0] * wide.to(args[0].dtype), *args[1:])

        return hook

    def _skip(self, name: str, position: int) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            if (value := self.values.get(name)) is None:
                return None
            after, *rest = output if isinstance(output, tuple) else (output,)
            before = args[0] if args else kwargs["hidden_states"]
            z = value[position].to(after.dtype)
            mixed = z * after + (1 - z) * before
            return (mixed, *rest) if isinstance(output, tuple) else mixed

        return hook


def plan_values(groups: Sequence[PruningGroup], plan: PruningPlan) -> dict[str, Tensor]:
    """0/1 keep-values for every group that `plan` prunes."""
    values = {}
    for group in groups:
        kept = set(plan.of(group))
        if len(kept) < len(group):
            values[group.name] = torch.tensor([float(unit in kept) for unit in group.ids])
    return values


@contextmanager
def masked(model: nn.Module, groups: Sequence[PruningGroup], plan: PruningPlan) -> Iterator[None]:
    """The live model as `plan` would leave it, for the duration of the block; nothing is cut."""
    device = next(model.parameters()).device
    values = {name: value.to(device) for name, value in plan_values(groups, plan).items()}
    masks = Masks(model, [group for group in groups if group.name in values])
    masks.values.update(values)
    try:
        yield
    finally:
        masks.remove()
