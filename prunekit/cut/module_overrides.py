"""What modules of a cut model do in another way than the stock ones, as hooks; the layout says which. Needs torch."""

from typing import Any

import torch
from torch import nn


class ModuleOverride:
    """A change to a module's inputs and outputs, kept as hooks so that copies of the model carry it along."""

    def attach(self, module: nn.Module) -> None:
        """Hook `module`; subclasses choose where."""
        raise NotImplementedError


class SelectIndices(ModuleOverride):
    """Keeps some places of one dimension of a tensor."""

    def __init__(self, dim: int, index: list[int]):
        self.dim = dim
        self.index = torch.tensor(index, device="cpu")

    def select(self, whole: torch.Tensor) -> torch.Tensor:
        """What is kept of `whole`."""
        if self.index.device != whole.device:
            with torch.inference_mode(False):  # else it could never be trained with, where generation comes first
                self.index = self.index.to(whole.device)
        return whole.index_select(self.dim, self.index)


class SliceSharedInput(SelectIndices):
    """The module works with some slices of a shared input, and hands on the whole of it.

    The layer that makes the shared tensor does so by the method `maker`, which is shadowed on the instance.
    """

    def __init__(self, argument: str, result: int, maker: str, dim: int, index: list[int]):
        super().__init__(dim, index)
        self.argument, self.result, self.maker = argument, result, maker
        self.whole: torch.Tensor | None = None
        self.module: nn.Module | None = None

    def attach(self, module: nn.Module) -> None:
        """Hook `module` before and after its forward pass, and stand in for its maker."""
        self.module = module
        module.register_forward_pre_hook(self.before, with_kwargs=True)
        module.register_forward_hook(self.after)
        setattr(module, self.maker, self.made)

    def take(self, whole: torch.Tensor) -> torch.Tensor:
        """Remember the whole and return the slices."""
        self.whole = whole
        return self.select(whole)

    def before(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        """Replace the argument, where it was given, by its slices."""
        if (whole := kwargs.get(self.argument)) is not None:
            kwargs = {**kwargs, self.argument: self.take(whole)}
        return args, kwargs

    def made(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """What the maker makes, sliced."""
        return self.take(getattr(type(self.module), self.maker)(self.module, *args, **kwargs))

    def after(self, module: nn.Module, args: Any, output: tuple[Any, ...]) -> tuple[Any, ...]:
        """Put the whole back into the outputs."""
        whole, self.whole = self.whole, None
        return (*output[: self.result], whole, *output[self.result + 1 :])


class PadOutput(ModuleOverride):
    """A projection without rows, or a table without columns, gives one head of zeros instead of nothing.

    A stack's first attention must run though it has no heads: caches count positions by it, and what later layers share
    is made in it.
    """

    def __init__(self, width: int):
        self.width = width

    def attach(self, module: nn.Module) -> None:
        """Hook `module` after its forward pass."""
        module.register_forward_hook(self.after)

    def after(self, module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        """Zeros of the head's width; padded, so that gradients of zero reach whatever lies before."""
        return nn.functional.pad(output, (0, self.width))


class DropInput(ModuleOverride):
    """A projection without columns ignores the stand-in head: only its bias, if any, is left."""

    def attach(self, module: nn.Module) -> None:
        """Hook `module` before its forward pass."""
        module.register_forward_pre_hook(self.before)

    def before(self, module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """Nothing of the first input's last dimension."""
        return (args[0][..., :0], *args[1:])


class EmptyAttention(ModuleOverride):
    """An attention without heads: only its output projection runs, without columns, which leaves the bias.

    It returns as many `results` as the attention would, and hands `shared` on: ``[argument, place in the results]``.
    """

    def __init__(self, output: str, results: int, shared: tuple[str, int] | None):
        self.output, self.results, self.shared = output, results, shared
        self.module: nn.Module | None = None

    def attach(self, module: nn.Module) -> None:
        """Shadow the module's forward pass on the instance."""
        self.module = module
        module.__dict__["forward"] = self.forward

    def forward(self, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Zeros or the bias, and weights of no heads, so that lists of them count layers right.

        What lies before gets gradients of zero.
        """
        assert self.module is not None
        nothing = hidden_states[..., :0]
        keys = kwargs.get("key_value_states")
        length = (nothing if keys is None else keys).shape[1]
        weights = nothing.new_zeros(nothing.shape[0], 0, nothing.shape[1], length)
        results: list[Any] = [self.module.get_submodule(self.output)(nothing) if self.output else nothing]
        results += [*[None] * (self.results - 2), weights][: self.results - 1]
        if self.shared is not None:
            results[self.shared[1]] = kwargs.get(self.shared[0])
        return tuple(results)


class NoOp(ModuleOverride):
    """A module on whose output nothing depends: it gives None."""

    def attach(self, module: nn.Module) -> None:
        """Shadow the module's forward pass on the instance."""
        module.__dict__["forward"] = self.forward

    def forward(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""


class GatherOutput(SelectIndices):
    """The module's output is narrowed to some of its last dimension."""

    def __init__(self, index: list[int]):
        super().__init__(-1, index)

    def attach(self, module: nn.Module) -> None:
        """Hook `module` after its forward pass."""
        module.register_forward_hook(self.after)

    def after(self, module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        """The selected columns."""
        return self.select(output)


OVERRIDES: dict[str, Any] = {
    kind.__name__: kind for kind in (SliceSharedInput, PadOutput, DropInput, EmptyAttention, NoOp, GatherOutput)
}
"""What a layout may ask for, by name."""
