"""Classes of cut models: a stock class that installs the layout in its config. Needs torch and transformers alone.

Together with the overrides and the interpreter of layouts this is the source of the file in every checkpoint by which
transformers loads the model where prunekit is not installed. None of the three uses a private name of torch or
transformers, because a file that was shipped cannot be mended.
"""

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import PretrainedConfig

from prunekit.cut.layout import Layout, install

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CODE = "modeling_prunekit"
"""The module in a checkpoint that defines its classes."""

PREFIX = "prunekit-"
"""What distinguishes the model types of cut models from the stock ones."""

PARTS = ("module_overrides.py", "empty_matrices.py", "layout.py", "pruned_model.py")
"""The files of prunekit that make up this module."""


class CutRecord(dict[str, Any]):
    """What the config of a cut model records of the cut. It never changes, so that copies of the config share it.

    `generate` copies the config of an encoder-decoder six times, which would take longer than a small model's encoder.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> "CutRecord":
        return self


def pruned_config_class(base: type[PretrainedConfig]) -> type[PretrainedConfig]:
    """A config class of its own model type, ``prunekit-t5`` for ``t5``, so that a stock class does not claim it."""
    if base.model_type.startswith(PREFIX):
        return base
    if base in _CONFIGS:
        return _CONFIGS[base]
    own: dict[str, Any] = {"model_type": PREFIX + base.model_type, "__module__": __name__}
    own["__reduce__"] = lambda self: (_blank, (pruned_config_class, base), vars(self))
    layers = getattr(base, "num_hidden_layers", None)
    if isinstance(layers, property):
        own["num_hidden_layers"] = property(_deepest, layers.fset)
    _CONFIGS[base] = type(f"Pruned{base.__name__}", (base,), own)
    return _CONFIGS[base]


def report_stock_type(config: PretrainedConfig) -> None:
    """Give a live config the stock type, by which pipelines branch; what is saved is the type of its class."""
    vars(config)["model_type"] = type(config).model_type.removeprefix(PREFIX)


def _deepest(config: Any) -> int:
    """The layers of the deepest stack: a cache is made for so many, where its size cannot be set."""
    record = getattr(config, "prunekit", None) or {}
    counts = (getattr(config, key) for key in record.get("dense", ()) if "." not in key)
    return max((count for count in counts if isinstance(count, int)), default=1)


def pruned_class(base: type["PreTrainedModel"]) -> type["PreTrainedModel"]:
    """The class of models that are built like `base` and then take the layout in their config."""
    if issubclass(base, Pruned):
        return base
    assert base.config_class is not None
    config_class = pruned_config_class(base.config_class)
    name = f"Pruned{base.__name__}"
    if name not in _CLASSES:
        _CLASSES[name] = type(name, (Pruned, base), {"config_class": config_class, "__module__": __name__})
    return _CLASSES[name]


def stock_class(kind: type[Any]) -> type[Any]:
    """The class that a class of cut models is made from."""
    bases = kind.__mro__
    return bases[bases.index(Pruned) + 1]


def stock_config_class(kind: type[Any]) -> type[Any]:
    """The class that a config class of cut models is made from."""
    base: type[Any] = kind.__mro__[1]
    return base


class Pruned:
    """Mixed into a stock class: build, then install the layout in the config; save with the code that does so."""

    def __init__(self, config: PretrainedConfig, *args: Any, **kwargs: Any):
        config.prunekit = CutRecord(config.prunekit)
        super().__init__(config, *args, **kwargs)  # type: ignore[call-arg]
        report_stock_type(config)
        install(self, Layout.from_dict(config.prunekit["layout"]))  # type: ignore[arg-type]

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle, which finds classes by name: classes of cut models are made when they are needed."""
        return _blank, (pruned_class, stock_class(type(self))), vars(self)

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> None:
        """Write a directory that ``from_pretrained(..., trust_remote_code=True)`` of transformers opens by itself.

        Where a stock config can express the shapes, it is a stock model's, and needs no flag either.
        """
        model: Any = self
        upload = kwargs.pop("push_to_hub", False)
        plain = model.config.prunekit.get("plain")
        model.config.auto_map = auto_map(model) if plain is None else None
        super().save_pretrained(save_directory, *args, **kwargs)  # type: ignore[misc]
        if not kwargs.get("is_main_process", True):
            return
        folder = Path(save_directory)
        if plain is None:
            (folder / f"{CODE}.py").write_text(checkpoint_source(model), encoding="utf-8")
        else:
            _write_stock_config(folder / "config.json", model, plain)
        if upload:
            model.push_to_hub(kwargs.get("repo_id") or folder.name, token=kwargs.get("token"))


def _blank(class_of: Any, stock: type[Any]) -> Any:
    """An object without a state, of the class that `class_of` makes of a stock one."""
    kind = class_of(stock)
    return kind.__new__(kind)


def _write_stock_config(path: Path, model: Any, keys: dict[str, list[int]]) -> None:
    """Let a saved config name the stock classes, which need nothing else for shapes that it can express."""
    data = json.loads(path.read_text(encoding="utf-8"))
    data["model_type"] = stock_config_class(model.config_class).model_type
    data["architectures"] = [stock_class(type(model)).__name__]
    data.update({key: after for key, (_, after) in keys.items()})
    data.pop("auto_map", None)
    path.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def auto_map(model: Any) -> dict[str, str]:
    """The entry of a config by which the Auto classes find the code beside it."""
    own = f"{CODE}.{type(model).__name__}"
    return {"AutoConfig": f"{CODE}.{model.config_class.__name__}", **dict.fromkeys(model.config.prunekit["auto"], own)}


def checkpoint_source(model: Any) -> str:
    """The source of a checkpoint's module: the parts one after the other, then the classes of the model.

    In a checkpoint this file is that module already.
    """
    here = Path(__file__)
    if here.stem == CODE:
        return here.read_text(encoding="utf-8")
    parts = [_without_own_imports(here.with_name(name).read_text(encoding="utf-8")) for name in PARTS]
    return "\n\n".join([*parts, _classes(stock_class(type(model)), stock_config_class(model.config_class))])


def _without_own_imports(source: str) -> str:
    """A part without its imports of the others, whose names the one module holds already."""
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("prunekit."):
            lines[node.lineno - 1 : node.end_lineno] = [""] * len(lines[node.lineno - 1 : node.end_lineno])
    return "".join(lines)


def _classes(stock: type[Any], config: type[Any]) -> str:
    """The last part of a checkpoint's module, which names its classes."""
    names = ", ".join(sorted({stock.__name__, config.__name__}))
    return (
        f"from transformers import {names}  # noqa: E402\n\n"
        f"Pruned{config.__name__} = pruned_config_class({config.__name__})\n"
        f"Pruned{stock.__name__} = pruned_class({stock.__name__})\n"
    )


_CLASSES: dict[str, type["PreTrainedModel"]] = {}
_CONFIGS: dict[type[PretrainedConfig], type[PretrainedConfig]] = {}
