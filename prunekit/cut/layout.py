"""The one interpreter of layouts: gives a stock model the shapes that a plan left. Needs torch and transformers."""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

FORMAT = 1


@dataclass
class Layout:
    """A plan made concrete, as data that JSON can hold; module and parameter names are those of the cut model.

    `shapes` holds every parameter shape that the stock model does not have, `attributes` what to set on which module,
    `quirks` what modules do in another way: the name of one of `QUIRKS`, the module, and the options of its class.
    Example: ``Layout(shapes={"encoder.block.0.layer.0.SelfAttention.q.weight": [96, 128], ...})``.
    """

    shapes: dict[str, list[int]] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    quirks: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a config."""
        return asdict(self)


class Quirk:
    """A change to a module's inputs and outputs, kept as hooks so that copies of the model carry it along."""

    def attach(self, module: nn.Module) -> None:
        """Hook `module`; subclasses choose where."""
        raise NotImplementedError


class Selects(Quirk):
    """Keeps some places of one dimension of a tensor."""

    def __init__(self, dim: int, index: list[int]):
        self.dim = dim
        self.index = torch.tensor(index, device="cpu")

    def select(self, whole: torch.Tensor) -> torch.Tensor:
        """What is kept of `whole`."""
        if self.index.device != whole.device:
            self.index = self.index.to(whole.device)
        return whole.index_select(self.dim, self.index)


class TakesSlices(Selects):
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


class StandsIn(Quirk):
    """An attention without heads that runs with one head of zeros, of which its output projection takes nothing.

    A stack's first attention must run: caches count positions by it, and what later layers share is made in it.
    """

    def __init__(self, width: int, pads: list[str], drops: list[str]):
        self.width, self.pads, self.drops = width, pads, drops

    def attach(self, module: nn.Module) -> None:
        """Hook the projections of the attention `module`."""
        for name in self.pads:
            module.get_submodule(name).register_forward_hook(self.after)
        for name in self.drops:
            module.get_submodule(name).register_forward_pre_hook(self.before)

    def after(self, module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        """Zeros of the head's width; padded, so that gradients of zero reach whatever lies before."""
        return nn.functional.pad(output, (0, self.width))

    def before(self, module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """Nothing of the first input's last dimension."""
        return (args[0][..., :0], *args[1:])


class Skipped(Quirk):
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
        """Zeros or the bias; what lies before gets gradients of zero."""
        assert self.module is not None
        results = [self.module.get_submodule(self.output)(hidden_states[..., :0])] + [None] * (self.results - 1)
        if self.shared is not None:
            results[self.shared[1]] = kwargs.get(self.shared[0])
        return tuple(results)


class GathersOutput(Selects):
    """The module's output is narrowed to some of its last dimension."""

    def __init__(self, index: list[int]):
        super().__init__(-1, index)

    def attach(self, module: nn.Module) -> None:
        """Hook `module` after its forward pass."""
        module.register_forward_hook(self.after)

    def after(self, module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        """The selected columns."""
        return self.select(output)


QUIRKS: dict[str, Any] = {kind.__name__: kind for kind in (TakesSlices, StandsIn, Skipped, GathersOutput)}


def install(model: nn.Module, layout: Layout) -> None:
    """Give `model` the shapes, attributes and quirks of `layout`; values of parameters that change shape are lost.

    Parameters that have their shape already keep their values, so the same call serves a model that was just cut and
    one that was just built. Quirks of an earlier layout are removed first.
    """
    uninstall(model)
    owners = holders(model)
    for name, shape in layout.shapes.items():
        old = model.get_parameter(name)
        if list(old.shape) != shape:
            put(owners, old, torch.empty(shape, dtype=old.dtype, device=old.device))
    for path, values in layout.attributes.items():
        module = model.get_submodule(path)
        for attribute, value in values.items():
            setattr(module, attribute, value)
    for entry in layout.quirks:
        options = {key: value for key, value in entry.items() if key not in ("quirk", "module")}
        QUIRKS[entry["quirk"]](**options).attach(model.get_submodule(entry["module"]))


def uninstall(model: nn.Module) -> None:
    """Take off every quirk that `install` put on `model`."""
    for module in model.modules():
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for key, hook in list(hooks.items()):
                quirk = getattr(hook, "__self__", None)
                if isinstance(quirk, Quirk):
                    del hooks[key]
                    module._forward_pre_hooks_with_kwargs.pop(key, None)
                    if isinstance(quirk, TakesSlices):
                        module.__dict__.pop(quirk.maker, None)
        if isinstance(getattr(module.__dict__.get("forward"), "__self__", None), Skipped):
            del module.__dict__["forward"]


Holders = dict[int, list[tuple[nn.Module, str]]]
"""The modules that hold a parameter, each with the name it has there, by the parameter's identity."""


def holders(model: nn.Module) -> Holders:
    """Who holds which parameter; a tied one has several holders."""
    found: Holders = {}
    for module in model.modules():
        for leaf, parameter in module._parameters.items():
            if parameter is not None:
                found.setdefault(id(parameter), []).append((module, leaf))
    return found


def put(owners: Holders, old: nn.Parameter, values: torch.Tensor) -> None:
    """Replace a parameter by `values` wherever it is held, so that ties stay."""
    new = nn.Parameter(values, requires_grad=old.requires_grad)
    owners[id(new)] = owners.pop(id(old))
    for module, leaf in owners[id(new)]:
        setattr(module, leaf, new)
        measure(module)


def measure(module: nn.Module) -> None:
    """Make a layer's own figures agree with its weight."""
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.Embedding):
        module.num_embeddings, module.embedding_dim = module.weight.shape
    elif isinstance(module, nn.LayerNorm):
        module.normalized_shape = tuple(module.weight.shape)


def pruned_config_class(base: type[PretrainedConfig]) -> type[PretrainedConfig]:
    """A config class of its own model type, ``prunekit-t5`` for ``t5``, so that a stock class does not claim it."""
    if base.model_type.startswith("prunekit-"):
        return base
    own = {"model_type": f"prunekit-{base.model_type}", "__module__": __name__}
    return type(f"Pruned{base.__name__}", (base,), own)


def pruned_class(base: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """The class of models that are built like `base` and then take the layout that their config carries."""
    if issubclass(base, Pruned):
        return base
    assert base.config_class is not None
    config_class = pruned_config_class(base.config_class)
    name = f"Pruned{base.__name__}"
    if name not in _CLASSES:
        _CLASSES[name] = type(name, (Pruned, base), {"config_class": config_class, "__module__": __name__})
    return _CLASSES[name]


class Pruned:
    """Mixed into a stock class: build, then install the config's layout."""

    def __init__(self, config: PretrainedConfig, *args: Any, **kwargs: Any):
        super().__init__(config, *args, **kwargs)  # type: ignore[call-arg]
        install(self, Layout(**config.prunekit["layout"]))  # type: ignore[arg-type]


_CLASSES: dict[str, type[PreTrainedModel]] = {}
