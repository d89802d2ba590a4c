"""Importance by what flows through a model: how strong units are, and how much layers change."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from prunekit._support.hooks import HookSet
from prunekit._support.modes import evaluation_mode
from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind, PruningGroup
from prunekit.learn.selection.matrix_inputs import masks_of, output_matrix, real_tokens
from prunekit.learn.training.loss import loss_of


class _Mean:
    """A running mean over tokens of something that every unit has."""

    def __init__(self, units: int):
        self.total = torch.zeros(units, dtype=torch.float64)
        self.tokens = 0

    def add(self, values: Tensor) -> None:
        """Add values [tokens, units]."""
        self.total += values.double().sum(dim=0).to(self.total.device)
        self.tokens += len(values)

    @property
    def value(self) -> Tensor:
        """One float per unit, 0 before any token."""
        return (self.total / max(self.tokens, 1)).float()


def activation(
    model: nn.Module, groups: Sequence[PruningGroup], batches: Iterable[Mapping[str, Any]]
) -> dict[str, Tensor]:
    """The mean over tokens of the L2 norm of what a unit hands to the matrix that reads it.

    That is the size of a head's output, and of a channel's activation, as in Minitron (Muralidharan et al. 2024, arXiv
    2407.14679). Padding does not count. Returns one float per unit, in the order of the group's ids; raises
    `PrunekitError` for units that are no heads or FFN channels.
    """
    means = {group.name: _Mean(len(group)) for group in groups}
    real: dict[str, Tensor | None] = {}

    def record(group: PruningGroup, columns: Tensor) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            tokens = real_tokens(args[0], real.get(group.stack))
            means[group.name].add(tokens[:, columns.to(tokens.device)].norm(dim=-1))

        return hook

    with HookSet() as hooks:
        for group in groups:
            path, columns = output_matrix(model, group)
            hooks.before(model.get_submodule(path), record(group, columns))
        _run(model, batches, real)
    return {name: mean.value for name, mean in means.items()}


def influence(
    model: nn.Module, groups: Sequence[PruningGroup], batches: Iterable[Mapping[str, Any]]
) -> dict[str, Tensor]:
    """How much each layer turns the hidden states: 1 minus the mean cosine between its input and its output.

    The block influence of ShortGPT (Men et al. 2024, arXiv 2403.03853): a layer whose output points where its input
    did can be dropped. Padding does not count. Returns one float per layer, in the order of the group's ids; raises
    `PrunekitError` for units that are no layers.
    """
    means = {group.name: [_Mean(1) for _ in group.ids] for group in groups}
    real: dict[str, Tensor | None] = {}

    def record(group: PruningGroup, position: int) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Any], output: Any) -> None:
            before = real_tokens(args[0] if args else kwargs["hidden_states"], real.get(group.stack))
            after = real_tokens(output[0] if isinstance(output, tuple) else output, real.get(group.stack))
            turned = 1 - torch.cosine_similarity(before.double(), after.double(), dim=-1)
            means[group.name][position].add(turned[:, None])

        return hook

    with HookSet() as hooks:
        for group in groups:
            if group.kind is not Kind.LAYERS:
                raise PrunekitError(f"{group.name!r} are no layers; only those have an influence on the hidden states.")
            for position in range(len(group)):
                layer = model.get_submodule(f"{group.path}.{position}")
                hooks.after(layer, record(group, position), with_kwargs=True)
        _run(model, batches, real)
    return {name: torch.cat([mean.value for mean in layers]) for name, layers in means.items()}


def _run(model: nn.Module, batches: Iterable[Mapping[str, Any]], real: dict[str, Tensor | None]) -> None:
    """Run the model on every batch, teacher-forced; `real` says before each which places count."""
    with evaluation_mode(model):
        for batch in batches:
            real.update(masks_of(batch))
            loss_of(model, batch)
