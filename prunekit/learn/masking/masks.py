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
    contributes nothing, biases included, which is what cutting it means. Norms over hidden dimensions take their mean
    and variance over what is kept, ``sum(z * x) / sum(z)``, in every family. A layer with value z gives
    ``z * f(x) + (1 - z) * x``, so that a dropped one is the identity for pre-norm and post-norm models alike. Tokens
    with value 0 get a logit of minus infinity; what the model reads is not masked. A group without keep-values, and
    with none for the group it lies within, costs nothing.
    """

    def __init__(self, model: nn.Module, groups: Sequence[PruningGroup]):
        self.values: dict[str, Tensor] = {}
        self._hooks = HookSet()
        self._groups = {group.name: group for group in groups}
        readers = _by_weight(model)
        for group in groups:
            for piece in group.slices:
                parameter = model.get_parameter(piece.parameter)
                for module in readers.get(id(parameter), ()):
                    if piece.dim == 1 and isinstance(module, nn.Linear):
                        self._hooks.before(module, self._multiply(group, piece.span))
                    elif parameter.dim() == 1 and group.kind is Kind.HIDDEN:
                        self._hooks.after(module, self._norm(group, module))
            if group.kind is Kind.VOCABULARY:
                self._hooks.after(model, self._silence(group))
            if group.kind is Kind.LAYERS:
                for position, layer in enumerate(model.get_submodule(group.path).children()):
                    self._hooks.after(layer, self._skip(group, position), with_kwargs=True)

    def remove(self) -> None:
        """Remove the hooks; the model is as before."""
        self._hooks.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()

    def _kept(self, group: PruningGroup) -> Tensor | None:
        values: Tensor | None = joint(group, self._groups, self.values)
        return values

    def _multiply(self, group: PruningGroup, span: int) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            if (value := self._kept(group)) is None:
                return None
            wide = value.repeat_interleave(span) if span > 1 else value
            return (masked_product(args[0], wide), *args[1:])

        return hook

    def _norm(self, group: PruningGroup, norm: nn.Module) -> Any:
        eps, offset = _epsilon(norm), _offset(norm)

        def hook(module: Any, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            if (value := self._kept(group)) is None:
                return None
            exact = torch.promote_types(args[0].dtype, torch.float32)
            share, weight = (value / value.sum()).to(exact), module.weight.to(exact) + offset
            bias = None if getattr(module, "bias", None) is None else module.bias.to(exact)
            result = masked_norm(args[0].to(exact), share, weight, bias, eps, isinstance(module, nn.LayerNorm))
            return result.to(output.dtype)

        return hook

    def _silence(self, group: PruningGroup) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if (value := self.values.get(group.name)) is not None:
                output.logits = output.logits.masked_fill(value == 0, -torch.inf)

        return hook

    def _skip(self, group: PruningGroup, position: int) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            if (value := self.values.get(group.name)) is None:
                return None
            after = list(output) if isinstance(output, tuple) else [output]
            before = args or (kwargs["hidden_states"],)
            for place in range(group.streams):
                z = value[position].to(after[place].dtype)
                after[place] = z * after[place] + (1 - z) * before[place]
            return tuple(after) if isinstance(output, tuple) else after[0]

        return hook


def _by_weight(model: nn.Module) -> dict[int, list[nn.Module]]:
    """The modules that have a parameter as their weight, tied ones too, by the parameter's identity."""
    found: dict[int, list[nn.Module]] = {}
    for module in model.modules():
        if isinstance(weight := getattr(module, "weight", None), nn.Parameter):
            found.setdefault(id(weight), []).append(module)
    return found


def _epsilon(norm: nn.Module) -> float:
    """The constant under a norm's root, by either of the names in use."""
    for name in ("eps", "variance_epsilon"):
        if (value := getattr(norm, name, None)) is not None:
            return float(value)
    raise PrunekitError(f"Hidden dimensions cannot be masked in {type(norm).__name__}, which is no norm known here.")


@torch.no_grad()
def _offset(norm: Any) -> float:
    """What a norm adds to its weight: Gemma's are centred at zero and multiply by ``1 + weight``."""
    if isinstance(norm, nn.LayerNorm):
        return 0.0
    scale = norm.forward(torch.ones_like(norm.weight))  # whatever hooks it has
    return float((scale - norm.weight).mean().round())


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
    with Masks(model, [group for group in groups if group.name in values]) as masks:
        masks.values.update(values)
        yield
