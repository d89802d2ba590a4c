"""Forward hooks that are put on together and removed together."""

from collections.abc import Callable
from typing import Any, Self

from torch import nn
from torch.utils.hooks import RemovableHandle


class HookSet:
    """Forward hooks on modules of a model, removed together: by `remove`, or when a ``with`` block ends.

    Example: ``with HookSet() as hooks: hooks.after(layer, record); model(**batch)`` records one output of the layer,
    and leaves the model without hooks even if the forward pass raises.
    """

    def __init__(self) -> None:
        self._handles: list[RemovableHandle] = []

    def before(self, module: nn.Module, hook: Callable[..., Any]) -> None:
        """Call ``hook(module, args)`` before each forward pass of `module`; what it returns replaces the arguments."""
        self._handles.append(module.register_forward_pre_hook(hook))

    def after(self, module: nn.Module, hook: Callable[..., Any], with_kwargs: bool = False) -> None:
        """Call ``hook(module, args, output)`` after each forward pass; what it returns replaces the output.

        With `with_kwargs` it is ``hook(module, args, kwargs, output)``. None leaves the output as it is.
        """
        self._handles.append(module.register_forward_hook(hook, with_kwargs=with_kwargs))

    def remove(self) -> None:
        """Remove every hook of the set."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()
