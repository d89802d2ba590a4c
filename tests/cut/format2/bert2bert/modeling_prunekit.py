"""What modules of a cut model do in another way than the stock ones, as hooks; the layout says which. Needs torch."""

from typing import Any

import torch
from torch import nn


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
            with torch.inference_mode(False):  # else it could never be trained with, where generation comes first
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


class PadsOutput(Quirk):
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


class DropsInput(Quirk):
    """A projection without columns ignores the stand-in head: only its bias, if any, is left."""

    def attach(self, module: nn.Module) -> None:
        """Hook `module` before its forward pass."""
        module.register_forward_pre_hook(self.before)

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


class Idle(Quirk):
    """A module on whose output nothing depends: it gives None."""

    def attach(self, module: nn.Module) -> None:
        """Shadow the module's forward pass on the instance."""
        module.__dict__["forward"] = self.forward

    def forward(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""


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


QUIRKS: dict[str, Any] = {
    kind.__name__: kind for kind in (TakesSlices, PadsOutput, DropsInput, Skipped, Idle, GathersOutput)
}
"""What a layout may ask for, by name."""


"""The one interpreter of layouts: gives a stock model the shapes that a plan left. Needs torch and transformers.

Its source travels in every checkpoint, in one piece with the quirks', as the file by which transformers loads the model
where there is no prunekit.
"""

import copy
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from torch import nn
from transformers import PretrainedConfig


if TYPE_CHECKING:
    from transformers import PreTrainedModel

FORMAT = 2

CODE = "modeling_prunekit"
"""The module in a checkpoint that defines its classes."""

CLASSES = "# The classes of this checkpoint\n"
AUTO = {
    "AutoModelForSeq2SeqLM": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING",
    "AutoModelForSpeechSeq2Seq": "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING",
    "AutoModelForImageTextToText": "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING",
}
"""The classes of transformers that open encoder-decoders, with the registers that say which."""


class Record(dict[str, Any]):
    """What the config of a cut model says of the cut. It never changes, so that all copies of the config share it.

    `generate` copies the config of an encoder-decoder six times, which would take longer than a small model's encoder.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> "Record":
        return self


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
            _set(module, attribute, value)
    for entry in layout.quirks:
        options = {key: value for key, value in entry.items() if key not in ("quirk", "module")}
        QUIRKS[entry["quirk"]](**options).attach(model.get_submodule(entry["module"]))


def _set(module: nn.Module, attribute: str, value: Any) -> None:
    """Set an attribute of `module`; of ``config.n`` on a copy of the config, which other modules may share."""
    holder, _, leaf = attribute.rpartition(".")
    if holder:
        setattr(module, holder, copy.copy(getattr(module, holder)))
    setattr(getattr(module, holder) if holder else module, leaf, value)


def uninstall(model: nn.Module) -> None:
    """Take off every quirk that `install` put on `model`."""
    for module in model.modules():
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for key, hook in list(hooks.items()):
                if isinstance(getattr(hook, "__self__", None), Quirk):
                    del hooks[key]
                    module._forward_pre_hooks_with_kwargs.pop(key, None)
        for name, value in list(vars(module).items()):
            if isinstance(getattr(value, "__self__", None), Quirk):  # a method that a quirk shadows
                del module.__dict__[name]


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
    elif isinstance(module, nn.Conv1d | nn.Conv2d):
        module.out_channels, module.in_channels = module.weight.shape[0], module.weight.shape[1] * module.groups
    elif isinstance(module, nn.Embedding):
        module.num_embeddings, module.embedding_dim = module.weight.shape
    elif isinstance(module, nn.LayerNorm):
        module.normalized_shape = tuple(module.weight.shape)


def pruned_config_class(base: type[PretrainedConfig]) -> type[PretrainedConfig]:
    """A config class of its own model type, ``prunekit-t5`` for ``t5``, so that a stock class does not claim it."""
    if base.model_type.startswith("prunekit-"):
        return base
    if base in _CONFIGS:
        return _CONFIGS[base]
    own: dict[str, Any] = {"model_type": f"prunekit-{base.model_type}", "__module__": __name__}
    own["__reduce__"] = lambda self: (_blank, (pruned_config_class, base), vars(self))
    if isinstance(fixed := getattr(base, "num_hidden_layers", None), property):
        own["num_hidden_layers"] = property(_deepest, fixed.fset)
    _CONFIGS[base] = type(f"Pruned{base.__name__}", (base,), own)
    return _CONFIGS[base]


def as_known(config: PretrainedConfig) -> None:
    """Let a live config say the stock type, by which pipelines choose what to do; saved is the type of its class."""
    vars(config)["model_type"] = type(config).model_type.removeprefix("prunekit-")


def _deepest(config: Any) -> int:
    """The layers of the deepest stack: a cache is made for so many, where its size cannot be set."""
    record = getattr(config, "prunekit", None) or {}
    counts = (getattr(config, key) for key in record.get("dense", ()) if "." not in key)
    return max((count for count in counts if isinstance(count, int)), default=1)


def pruned_class(base: type["PreTrainedModel"]) -> type["PreTrainedModel"]:
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
    """Mixed into a stock class: build, then install the config's layout; save with the code that does so."""

    def __init__(self, config: PretrainedConfig, *args: Any, **kwargs: Any):
        config.prunekit = Record(config.prunekit)
        super().__init__(config, *args, **kwargs)  # type: ignore[call-arg]
        as_known(config)
        install(self, Layout(**config.prunekit["layout"]))  # type: ignore[arg-type]

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle, which finds classes by name, as a name of a module: cut models' are made when they are needed."""
        return _blank, (pruned_class, stock_of(type(self))), vars(self)

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> None:
        """Write a directory that ``from_pretrained(..., trust_remote_code=True)`` of transformers opens by itself.

        Where a stock config can express the shapes, it is a stock model's, and needs no flag either.
        """
        model: Any = self
        stock, config = stock_of(type(self)), model.config_class.__mro__[1]
        folder, plain = Path(save_directory), model.config.prunekit.get("plain")
        upload = kwargs.pop("push_to_hub", False)
        model.config.auto_map = auto_map(stock, config) if plain is None else None
        super().save_pretrained(save_directory, *args, **kwargs)  # type: ignore[misc]
        if not kwargs.get("is_main_process", True):
            return
        if plain is None:
            (folder / f"{CODE}.py").write_text(code_of(stock, config), encoding="utf-8")
        else:
            _as_stock(folder / "config.json", stock, config, plain)
        if upload:
            model.push_to_hub(kwargs.get("repo_id") or folder.name, token=kwargs.get("token"))


def _blank(kind_of: Any, stock: type[Any]) -> Any:
    """An object without a state, of the class that `kind_of` makes of a stock one."""
    kind = kind_of(stock)
    return kind.__new__(kind)


def _as_stock(path: Path, stock: type[Any], config: type[Any], keys: dict[str, list[int]]) -> None:
    """Let a saved config name the stock classes, which need nothing else for shapes that it can express."""
    data = json.loads(path.read_text(encoding="utf-8"))
    data |= {"model_type": config.model_type, "architectures": [stock.__name__]}
    data |= {key: left for key, (_, left) in keys.items()}
    data.pop("auto_map", None)
    path.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def stock_of(kind: type[Any]) -> type[Any]:
    """The class that a class of cut models is made from."""
    line = kind.__mro__
    return line[line.index(Pruned) + 1]


def auto_map(stock: type[Any], config: type[Any]) -> dict[str, str]:
    """What a config says of the code beside it: which of the Auto classes open a pruned `stock`."""
    registers = {auto: getattr(transformers, register, {}) for auto, register in AUTO.items()}
    names = [auto for auto, known in registers.items() if config in known and known[config].__name__ == stock.__name__]
    model = f"{CODE}.Pruned{stock.__name__}"
    return {"AutoConfig": f"{CODE}.Pruned{config.__name__}", **dict.fromkeys(names or ["AutoModel"], model)}


def code_of(stock: type[Any], config: type[Any]) -> str:
    """The source of a checkpoint's module: this interpreter in one piece, and the classes of its kind."""
    own = Path(__file__).read_text(encoding="utf-8").partition(CLASSES)[0]
    divided = "from prunekit.cut." + "quirks import QUIRKS, Quirk\n"
    if divided in own:
        own = Path(__file__).with_name("quirks.py").read_text(encoding="utf-8") + "\n\n" + own.replace(divided, "")
    names = ", ".join(sorted({stock.__name__, config.__name__}))
    return (
        f"{own.rstrip()}\n\n\n{CLASSES}from transformers import {names}  # noqa: E402\n\n"
        f"Pruned{config.__name__} = pruned_config_class({config.__name__})\n"
        f"Pruned{stock.__name__} = pruned_class({stock.__name__})\n"
    )


_CLASSES: dict[str, type["PreTrainedModel"]] = {}
_CONFIGS: dict[type[PretrainedConfig], type[PretrainedConfig]] = {}


# The classes of this checkpoint
from transformers import EncoderDecoderConfig, EncoderDecoderModel  # noqa: E402

PrunedEncoderDecoderConfig = pruned_config_class(EncoderDecoderConfig)
PrunedEncoderDecoderModel = pruned_class(EncoderDecoderModel)
