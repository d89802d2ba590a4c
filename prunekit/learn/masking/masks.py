"""Masks: multiply units of a live model by keep-values, reversibly, through hooks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn

from prunekit._support.hooks import HookSet
from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.find.size import joint
from prunekit.learn.masking.fused import masked_norm, masked_product

Values = Mapping[str, Tensor]
"""Keep-values per group name, one per unit, in the order of the group's ids."""


class Masks:
    """Hooks that multiply the units of `groups` by the keep-values in `values`, which may change between passes.

    Every unit is multiplied where it is consumed, at the inputs of the matrices that read it: there a unit with value 0
    contributes nothing, biases included, as if it were cut. Norms over hidden dimensions take their mean and variance
    over kept dimensions, ``sum(z * x) / sum(z)``, in every family. A layer with value z returns
    ``z * f(x) + (1 - z) * x``, so that a removed layer is the identity in pre-norm and post-norm models alike. Tokens
    with value 0 get a logit of minus infinity; the tokens that the model reads are not masked. A group without
    keep-values, its own or those of the group that it is within, costs nothing.
    """

    def __init__(self, model: nn.Module, groups: Sequence[PruningGroup]):
        self.values: dict[str, Tensor] = {}
        self._hooks = HookSet()
        self._groups = {group.name: group for group in groups}
        readers = _modules_by_weight(model)
        for group in groups:
            self._mask_slices(model, group, readers)
            if group.kind is Kind.VOCABULARY:
                self._hooks.after(model, self._mask_logits(group))
            if group.kind is Kind.LAYERS:
                for position, layer in enumerate(model.get_submodule(group.path).children()):
                    self._hooks.after(layer, self._mask_layer(group, position), with_kwargs=True)

    def _mask_slices(self, model: nn.Module, group: PruningGroup, readers: Mapping[int, Sequence[nn.Module]]) -> None:
        """Hooks at the matrices that read the group's units, and at the norms over hidden dimensions."""
        for piece in group.slices:
            parameter = model.get_parameter(piece.parameter)
            for module in readers.get(id(parameter), ()):
                if piece.dim == 1 and isinstance(module, nn.Linear):
                    self._hooks.before(module, self._mask_input(group, piece.span))
                elif parameter.dim() == 1 and group.kind is Kind.HIDDEN:
                    self._hooks.after(module, self._mask_norm(group, module))

    def remove(self) -> None:
        """Remove the hooks; the model is as before."""
        self._hooks.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()

    def _keep(self, group: PruningGroup) -> Tensor | None:
        """The keep-values of a group's units, times those of the units that they are within."""
        values: Tensor | None = joint(group, self._groups, self.values)
        return values

    def _mask_input(self, group: PruningGroup, span: int) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            value = self._keep(group)
            if value is None:
                return None
            wide = value.repeat_interleave(span) if span > 1 else value
            return (masked_product(args[0], wide), *args[1:])

        return hook

    def _mask_norm(self, group: PruningGroup, norm: nn.Module) -> Any:
        eps = _epsilon(norm)
        offset = _offset(norm)

        def hook(module: Any, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            value = self._keep(group)
            if value is None:
                return None
            exact = torch.promote_types(args[0].dtype, torch.float32)
            share = (value / value.sum()).to(exact)
            weight = module.weight.to(exact) + offset
            bias = None if getattr(module, "bias", None) is None else module.bias.to(exact)
            result = masked_norm(args[0].to(exact), share, weight, bias, eps, isinstance(module, nn.LayerNorm))
            return result.to(output.dtype)

        return hook

    def _mask_logits(self, group: PruningGroup) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            value = self.values.get(group.name)
            if value is not None:
                output.logits = output.logits.masked_fill(value == 0, -torch.inf)

        return hook

    def _mask_layer(self, group: PruningGroup, position: int) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            value = self.values.get(group.name)
            if value is None:
                return None
            after = list(output) if isinstance(output, tuple) else [output]
            before = args or (kwargs["hidden_states"],)
            for stream in range(group.streams):
                z = value[position].to(after[stream].dtype)
                after[stream] = z * after[stream] + (1 - z) * before[stream]
            return tuple(after) if isinstance(output, tuple) else after[0]

        return hook


def _modules_by_weight(model: nn.Module) -> dict[int, list[nn.Module]]:
    """The modules that have a parameter as their weight, tied ones too, by the parameter's identity."""
    modules: dict[int, list[nn.Module]] = {}
    for module in model.modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter):
            modules.setdefault(id(weight), []).append(module)
    return modules


def _epsilon(norm: nn.Module) -> float:
    """The constant under a norm's root, under either of its names."""
    for name in ("eps", "variance_epsilon"):
        value = getattr(norm, name, None)
        if value is not None:
            return float(value)
    raise PrunekitError(f"Hidden dimensions cannot be masked in {type(norm).__name__}, which is not a known norm.")


@torch.no_grad()
def _offset(norm: Any) -> float:
    """The number that a norm adds to its weight: Gemma's norms multiply by ``1 + weight``."""
    if isinstance(norm, nn.LayerNorm):
        return 0.0
    scale = norm.forward(torch.ones_like(norm.weight))  # whatever hooks it has
    return float((scale - norm.weight).mean().round())


def plan_values(groups: Sequence[PruningGroup], plan: PruningPlan) -> dict[str, Tensor]:
    """Keep-values of 0 and 1 for every group that `plan` prunes."""
    values = {}
    for group in groups:
        kept = set(plan.of(group))
        if len(kept) < len(group):
            values[group.name] = torch.tensor([float(unit in kept) for unit in group.ids])
    return values


@contextmanager
def masked(model: nn.Module, groups: Sequence[PruningGroup], plan: PruningPlan) -> Iterator[None]:
    """Inside the block the live model computes as if it were cut by `plan`."""
    device = next(model.parameters()).device
    values = {name: value.to(device) for name, value in plan_values(groups, plan).items()}
    with Masks(model, [group for group in groups if group.name in values]) as masks:
        masks.values.update(values)
        yield
