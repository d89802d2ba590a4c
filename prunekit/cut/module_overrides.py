"""Module overrides: what modules of a cut model do in another way than the stock ones. Needs torch alone.

A layout names them, as data; attached to a module they are hooks and methods of the instance, which copies of the model
carry along.
"""

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import nn

ATTACHED = "prunekit_overrides"
"""The attribute of a module that lists the overrides attached to it."""


@dataclass
class ModuleOverride:
    """A change to the inputs or outputs of one module, `path` in the cut model; the fields are its options.

    Example: ``NoOp("encoder.pooler")``.
    """

    path: str

    def __post_init__(self) -> None:
        self.handles: list[Any] = []
        self.replaced: list[str] = []

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a config: ``{"override": "NoOp", "module": "encoder.pooler"}`` and the further options."""
        options = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "path"}
        return {"override": type(self).__name__, "module": self.path, **options}

    def attach(self, model: nn.Module) -> None:
        """Change what the module does, until `detach`."""
        module = model.get_submodule(self.path)
        self.hook(module)
        vars(module).setdefault(ATTACHED, []).append(self)

    def hook(self, module: nn.Module) -> None:
        """Register hooks in `handles`, or replace methods; each subclass chooses which."""
        raise NotImplementedError

    def replace(self, module: nn.Module, method: str, own: Any) -> None:
        """Let `own` stand for a method of `module`, on this instance only."""
        vars(module)[method] = own
        self.replaced.append(method)

    def detach(self, module: nn.Module) -> None:
        """Undo `attach`."""
        for handle in self.handles:
            handle.remove()
        for method in self.replaced:
            del vars(module)[method]


def from_data(data: dict[str, Any]) -> ModuleOverride:
    """The override that `to_dict` described."""
    options = {key: value for key, value in data.items() if key not in ("override", "module")}
    override: ModuleOverride = OVERRIDES[data["override"]](data["module"], **options)
    return override


@dataclass
class GatherOutput(ModuleOverride):
    """The module's output is narrowed to some indices of its last dimension."""

    index: list[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.indices = Indices(-1, self.index)

    def hook(self, module: nn.Module) -> None:
        """After the forward pass."""
        self.handles.append(module.register_forward_hook(self.after))

    def after(self, module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        """The selected columns."""
        return self.indices.select(output)


@dataclass
class SliceSharedInput(ModuleOverride):
    """The module works with some slices of a shared input, and hands on the whole of it.

    `argument` is the keyword of the shared tensor, `result` its position in the outputs, `maker` the method by which
    the first layer makes it, and `index` says which slices of the dimension `dim` are the module's own.
    """

    argument: str
    result: int
    maker: str
    dim: int
    index: list[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.indices = Indices(self.dim, self.index)
        self.whole: torch.Tensor | None = None
        self.module: nn.Module | None = None

    def hook(self, module: nn.Module) -> None:
        """Before and after the forward pass, and in place of the maker."""
        self.module = module
        self.handles.append(module.register_forward_pre_hook(self.before, with_kwargs=True))
        self.handles.append(module.register_forward_hook(self.after))
        self.replace(module, self.maker, self.made)

    def take(self, whole: torch.Tensor) -> torch.Tensor:
        """Remember the whole and return the slices."""
        self.whole = whole
        return self.indices.select(whole)

    def before(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        """Replace the argument, where it was given, by its slices."""
        whole = kwargs.get(self.argument)
        if whole is not None:
            kwargs = {**kwargs, self.argument: self.take(whole)}
        return args, kwargs

    def made(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """What the maker makes, sliced."""
        return self.take(getattr(type(self.module), self.maker)(self.module, *args, **kwargs))

    def after(self, module: nn.Module, args: Any, output: tuple[Any, ...]) -> tuple[Any, ...]:
        """Put the whole back into the outputs."""
        whole = self.whole
        self.whole = None
        return (*output[: self.result], whole, *output[self.result + 1 :])


@dataclass
class PadOutput(ModuleOverride):
    """A projection without rows, or a table without columns, gives one head of `width` zeros instead of nothing.

    A stack's first attention must run even without heads: caches count positions by it, and what later layers share is
    made in it.
    """

    width: int

    def hook(self, module: nn.Module) -> None:
        """After the forward pass."""
        self.handles.append(module.register_forward_hook(self.after))

    def after(self, module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        """Zeros of the head's width; padded, so that gradients of zero reach whatever lies before."""
        return nn.functional.pad(output, (0, self.width))


@dataclass
class DropInput(ModuleOverride):
    """A projection without columns ignores the stand-in head, so that only its bias is added, if it has one."""

    def hook(self, module: nn.Module) -> None:
        """Before the forward pass."""
        self.handles.append(module.register_forward_pre_hook(self.before))

    def before(self, module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """Nothing of the first input's last dimension."""
        return (args[0][..., :0], *args[1:])


@dataclass
class EmptyAttention(ModuleOverride):
    """An attention without heads: only its projection `output` runs, without columns, which leaves the bias.

    It returns as many `results` as the attention would, and hands `shared` on: ``[argument, position in the results]``.
    """

    output: str
    results: int
    shared: list[Any] | None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.module: nn.Module | None = None

    def hook(self, module: nn.Module) -> None:
        """In place of the forward pass."""
        self.module = module
        self.replace(module, "forward", self.forward)

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


@dataclass
class NoOp(ModuleOverride):
    """A module on whose output nothing depends: it gives None."""

    def hook(self, module: nn.Module) -> None:
        """In place of the forward pass."""
        self.replace(module, "forward", self.forward)

    def forward(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""


class Indices:
    """Some indices of one dimension, as a tensor that follows its inputs to their device."""

    def __init__(self, dim: int, index: list[int]):
        self.dim = dim
        self.index = torch.tensor(index, dtype=torch.long, device="cpu")

    def select(self, whole: torch.Tensor) -> torch.Tensor:
        """These indices of `whole`."""
        if self.index.device != whole.device:
            with torch.inference_mode(False):  # else it could never be trained with, where generation comes first
                self.index = self.index.to(whole.device)
        return whole.index_select(self.dim, self.index)


OVERRIDES: dict[str, Any] = {
    kind.__name__: kind for kind in (SliceSharedInput, PadOutput, DropInput, EmptyAttention, NoOp, GatherOutput)
}
"""The overrides that a layout may name."""
