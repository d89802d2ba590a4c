"""What a model is made of, from its config alone: no weights are read, and nothing that trains is imported."""

from dataclasses import dataclass

from transformers import PretrainedConfig

from prunekit.cut.checkpoint import dense_config, plan_in
from prunekit.cut.pruned_model import PREFIX
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph, discover
from prunekit.loading.pretrained import CONFIG, located, open_config
from prunekit.plugins import ADAPTERS, load, names


@dataclass(frozen=True)
class ModelStructure:
    """What a model is made of, told from its config alone. Example: a T5-base has 62 groups that can be cut.

    `graph` describes the model as it lies there, after whatever pruning it has been through.
    """

    model_type: str
    name: str
    adapter: Adapter
    graph: DependencyGraph


def open_structure(place: str, adapter: str | None = None) -> ModelStructure:
    """The structure of the model in a directory or on the hub; no weights are read, nothing is allocated."""
    config = open_config(located(place, CONFIG))
    name, chosen = adapter_for(config, adapter)
    graph = discover(chosen, dense_config(config))
    plan = plan_in(config)
    if plan is not None:
        graph = graph.after(plan)
    return ModelStructure(config.model_type, name, chosen, graph)


def adapter_for(config: PretrainedConfig, wanted: str | None) -> tuple[str, Adapter]:
    """The adapter called `wanted`, or the one that is registered for the model's type, with its name.

    Raises `PrunekitError` where there is none or `wanted` is for other models.
    """
    model_type = config.model_type.removeprefix(PREFIX)
    known = names(ADAPTERS)
    name = wanted or model_type
    if wanted is None and model_type not in known:
        raise PrunekitError(
            f"There is no adapter for models of type {model_type!r} (`prunekit list adapters` shows those there are); "
            "write one, or name one that fits with --adapter."
        )
    kind = load(ADAPTERS, name)
    undeclared = not kind.model_types and model_type not in known
    if model_type != name and model_type not in kind.model_types and not undeclared:
        better = f"use --adapter {model_type}" if model_type in known else "there is none for it yet, write one"
        raise PrunekitError(f"The adapter {name!r} does not fit a model of type {model_type!r}; {better}.")
    return name, kind()
