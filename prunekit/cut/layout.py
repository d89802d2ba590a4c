"""The one interpreter of layouts: gives a stock model the shapes that a plan left. Needs torch and transformers.

Its source travels in every checkpoint, together with that of the overrides: it is the file by which transformers
loads the model where prunekit is not installed.
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

from prunekit.cut.module_overrides import OVERRIDES, ModuleOverride

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CODE = "modeling_prunekit"
"""The module in a checkpoint that defines its classes."""

CLASSES = "# The classes of this checkpoint\n"
AUTO = {
    "AutoModelForSeq2SeqLM": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING",
    "AutoModelForSpeechSeq2Seq": "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING",
    "AutoModelForImageTextToText": "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING",
}
"""The classes of transformers that open encoder-decoders, with the registers that say which."""


class CutRecord(dict[str, Any]):
    """What the config of a cut model says of the cut. It never changes, so that all copies of the config share it.

    `generate` copies the config of an encoder-decoder six times, which would take longer than a small model's encoder.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> "CutRecord":
        return self


@dataclass
class Layout:
    """A plan made concrete, as data that JSON can hold; module and parameter names are those of the cut model.

    `shapes` holds every parameter shape that the stock model does not have, `attributes` what to set on which module,
    `overrides` what modules do in another way: the name of one of `OVERRIDES`, the module, the options of its class.
    Example: ``Layout(shapes={"encoder.block.0.layer.0.SelfAttention.q.weight": [96, 128], ...})``.
    """

    shapes: dict[str, list[int]] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    overrides: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a config."""
        return asdict(self)


def install(model: nn.Module, layout: Layout) -> None:
    """Give `model` the shapes, attributes and overrides of `layout`; values of parameters that change shape are lost.

    Parameters that have their shape already keep their values, so the same call serves a model that was just cut and
    one that was just built. Overrides of an earlier layout are removed first.
    """
    uninstall(model)
    owners = parameter_holders(model)
    for name, shape in layout.shapes.items():
        old = model.get_parameter(name)
        if list(old.shape) != shape:
            replace_parameter(owners, old, torch.empty(shape, dtype=old.dtype, device=old.device))
    for path, values in layout.attributes.items():
        module = model.get_submodule(path)
        for attribute, value in values.items():
            _set(module, attribute, value)
    for entry in layout.overrides:
        options = {key: value for key, value in entry.items() if key not in ("override", "module")}
        OVERRIDES[entry["override"]](**options).attach(model.get_submodule(entry["module"]))


def _set(module: nn.Module, attribute: str, value: Any) -> None:
    """Set an attribute of `module`; of ``config.n`` on a copy of the config, which other modules may share."""
    holder, _, leaf = attribute.rpartition(".")
    if holder:
        setattr(module, holder, copy.copy(getattr(module, holder)))
    setattr(getattr(module, holder) if holder else module, leaf, value)


def uninstall(model: nn.Module) -> None:
    """Take off every override that `install` put on `model`."""
    for module in model.modules():
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for key, hook in list(hooks.items()):
                if isinstance(getattr(hook, "__self__", None), ModuleOverride):
                    del hooks[key]
                    module._forward_pre_hooks_with_kwargs.pop(key, None)
        for name, value in list(vars(module).items()):
            if isinstance(getattr(value, "__self__", None), ModuleOverride):  # a method that an override shadows
                del module.__dict__[name]


Holders = dict[int, list[tuple[nn.Module, str]]]
"""The modules that hold a parameter, each with the name it has there, by the parameter's identity."""


def parameter_holders(model: nn.Module) -> Holders:
    """Who holds which parameter; a tied one has several holders."""
    found: Holders = {}
    for module in model.modules():
        for leaf, parameter in module._parameters.items():
            if parameter is not None:
                found.setdefault(id(parameter), []).append((module, leaf))
    return found


def replace_parameter(owners: Holders, old: nn.Parameter, values: torch.Tensor) -> None:
    """Replace a parameter by `values` wherever it is held, so that ties stay."""
    new = nn.Parameter(values, requires_grad=old.requires_grad)
    owners[id(new)] = owners.pop(id(old))
    for module, leaf in owners[id(new)]:
        setattr(module, leaf, new)
        update_sizes(module)


def update_sizes(module: nn.Module) -> None:
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


def report_stock_type(config: PretrainedConfig) -> None:
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
        config.prunekit = CutRecord(config.prunekit)
        super().__init__(config, *args, **kwargs)  # type: ignore[call-arg]
        report_stock_type(config)
        install(self, Layout(**config.prunekit["layout"]))  # type: ignore[arg-type]

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle, which finds classes by name, as a name of a module: cut models' are made when they are needed."""
        return _blank, (pruned_class, stock_class(type(self))), vars(self)

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> None:
        """Write a directory that ``from_pretrained(..., trust_remote_code=True)`` of transformers opens by itself.

        Where a stock config can express the shapes, it is a stock model's, and needs no flag either.
        """
        model: Any = self
        stock, config = stock_class(type(self)), model.config_class.__mro__[1]
        folder, plain = Path(save_directory), model.config.prunekit.get("plain")
        upload = kwargs.pop("push_to_hub", False)
        model.config.auto_map = auto_map(stock, config) if plain is None else None
        super().save_pretrained(save_directory, *args, **kwargs)  # type: ignore[misc]
        if not kwargs.get("is_main_process", True):
            return
        if plain is None:
            (folder / f"{CODE}.py").write_text(checkpoint_source(stock, config), encoding="utf-8")
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


def stock_class(kind: type[Any]) -> type[Any]:
    """The class that a class of cut models is made from."""
    line = kind.__mro__
    return line[line.index(Pruned) + 1]


def auto_map(stock: type[Any], config: type[Any]) -> dict[str, str]:
    """What a config says of the code beside it: which of the Auto classes open a pruned `stock`."""
    registers = {auto: getattr(transformers, register, {}) for auto, register in AUTO.items()}
    names = [auto for auto, known in registers.items() if config in known and known[config].__name__ == stock.__name__]
    model = f"{CODE}.Pruned{stock.__name__}"
    return {"AutoConfig": f"{CODE}.Pruned{config.__name__}", **dict.fromkeys(names or ["AutoModel"], model)}


def checkpoint_source(stock: type[Any], config: type[Any]) -> str:
    """The source of a checkpoint's module: this interpreter in one piece, and the classes of its kind."""
    own = Path(__file__).read_text(encoding="utf-8").partition(CLASSES)[0]
    divided = "from prunekit.cut." + "module_overrides import OVERRIDES, ModuleOverride\n"
    if divided in own:
        overrides = Path(__file__).with_name("module_overrides.py").read_text(encoding="utf-8")
        own = f"{overrides}\n\n{own.replace(divided, '')}"
    names = ", ".join(sorted({stock.__name__, config.__name__}))
    return (
        f"{own.rstrip()}\n\n\n{CLASSES}from transformers import {names}  # noqa: E402\n\n"
        f"Pruned{config.__name__} = pruned_config_class({config.__name__})\n"
        f"Pruned{stock.__name__} = pruned_class({stock.__name__})\n"
    )


_CLASSES: dict[str, type["PreTrainedModel"]] = {}
_CONFIGS: dict[type[PretrainedConfig], type[PretrainedConfig]] = {}
