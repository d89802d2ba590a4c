"""Makes the Auto classes of transformers know pruned models without a flag, as soon as both libraries are imported."""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from importlib.util import find_spec
from types import ModuleType
from typing import Any

REGISTER = "transformers.models.auto.modeling_auto"
"""The module whose import tells that somebody will open models by the Auto classes."""


class DeferredRegistration(MetaPathFinder, Loader):
    """Waits for transformers, which takes two seconds to import, and introduces the pruned types then."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Stand in for the loader of the one module that is waited for."""
        if fullname != REGISTER:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None:
            self.loader = spec.loader
            spec.loader = self
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the module's own loader does."""
        return self.loader.create_module(spec) if self.loader else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then introduce."""
        if self.loader:
            self.loader.exec_module(module)
        register_auto_classes()


def register_on_import() -> None:
    """Introduce the pruned types now where transformers is there already, else when it comes."""
    if REGISTER in sys.modules:
        register_auto_classes()
    else:
        sys.meta_path.insert(0, DeferredRegistration())


def register_auto_classes() -> None:
    """Register the config of every adapter's model type; the model's class follows when such a config is first read."""
    from transformers import CONFIG_MAPPING, AutoConfig

    from prunekit.cut.pruned_model import pruned_config_class

    for model_type in sorted(entry.name for entry in entry_points(group="prunekit.adapters")):
        if model_type in CONFIG_MAPPING:
            config = pruned_config_class(CONFIG_MAPPING[model_type])
            config.from_dict = classmethod(_read)  # type: ignore[assignment, method-assign]
            AutoConfig.register(config.model_type, config, exist_ok=True)


def _read(kind: Any, /, data: dict[str, Any], **options: Any) -> Any:
    """``from_dict`` of a pruned config, by whose record the Auto classes learn of the model."""
    import transformers

    from prunekit.cut.format_upgrade import upgrade_record
    from prunekit.cut.pruned_model import pruned_class

    if data.get("prunekit"):
        data = {**data, "prunekit": upgrade_record(data["prunekit"])}
        for auto in data["prunekit"]["auto"]:
            stock = getattr(transformers, data["prunekit"]["base"])
            getattr(transformers, auto).register(kind, pruned_class(stock), exist_ok=True)
    return super(kind, kind).from_dict(data, **options)
