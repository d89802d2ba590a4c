"""Opens what a command works on: model, tokenizer, task, adapter, graph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel

from prunekit.cut.checkpoint import PREFIX, dense_config, plan_in
from prunekit.data.audio import AudioProcessor
from prunekit.data.processors import Processor, TextProcessor
from prunekit.data.tasks import FileTaskPlugin, Task, TaskPlugin, from_files
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph, discover
from prunekit.learn.strategy import Strategy, build
from prunekit.loading.pretrained import (
    CONFIG,
    graph_of,
    located,
    open_config,
    open_extractor,
    open_model,
    open_tokenizer,
)
from prunekit.plugins import ADAPTERS, STRATEGIES, TASKS, catalogue, load, names
from prunekit.recipe import Recipe, TaskSection, over


@dataclass(frozen=True)
class RunContext:
    """What a run works on. Example: a T5 of 3.95M parameters, its reader, the task ``g2p`` and the adapter ``t5``.

    `graph` describes the original model, also where `model` is one that was pruned before; `name` is the adapter's.
    `generation` overrides the model's generation config, with tokens by the numbers that the reader gives them.
    """

    model: PreTrainedModel
    processor: Processor
    task: Task
    name: str
    adapter: Adapter
    graph: DependencyGraph
    device: str
    generation: Mapping[str, Any]


def open_run_context(recipe: Recipe, read: Callable[[TaskSection], Task] = from_files) -> RunContext:
    """Everything that `recipe` names, the cheap things first; `read` opens a task that is described by its files.

    Raises `PrunekitError` in one sentence for whatever is missing, damaged or does not fit.
    """
    device = device_of(recipe.device)
    directory = located(model_of(recipe))
    config = open_config(directory, recipe.trust_remote_code)
    name, adapter = adapter_for(config, recipe.adapter)
    task = open_task(recipe.task, read)
    _check_reads(adapter, config, task)
    processor = open_processor(directory, config, task, recipe.trust_remote_code)
    dtype = getattr(torch, recipe.dtype)
    model = open_model(directory, config, adapter, dtype, device, recipe.trust_remote_code)
    _check_vocabulary(processor, model, directory)
    return RunContext(model, processor, task, name, adapter, graph_of(model, adapter), device, recipe.generation)


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
    if (plan := plan_in(config)) is not None:
        graph = graph.after(plan)
    return ModelStructure(config.model_type, name, chosen, graph)


def open_strategy(recipe: Recipe) -> Strategy:
    """The recipe's strategy with its options."""
    return build(load(STRATEGIES, recipe.strategy), recipe.options)


def adapter_for(config: PretrainedConfig, wanted: str | None) -> tuple[str, Adapter]:
    """The adapter called `wanted`, or the one that is registered for the model's type, with its name.

    Raises `PrunekitError` where there is none or `wanted` is for other models.
    """
    model_type, known = config.model_type.removeprefix(PREFIX), names(ADAPTERS)
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


def resolve(data: Any) -> Recipe:
    """The recipe that parsed YAML or command-line keys ask for: what they leave out comes from the task, if it has it.

    Without a model and a task it is the built-in example of the adapter. A task's `options` belong to the strategy it
    chose them for, and give way to a preset. Resolving what was resolved changes nothing.
    """
    asked = Recipe.parse(data)
    name = asked.task.name or (None if asked.model or _has_files(asked.task) else example_for(asked.adapter))
    if name is None or _is_label(asked.task):
        return asked
    plugin = load(TASKS, name)
    own = asked.model is None and plugin.model is not None
    if own and asked.adapter not in (None, plugin.adapter):
        raise PrunekitError(
            f"The task {name!r} brings a model for the adapter {plugin.adapter!r}, not for {asked.adapter!r}; "
            "give a model of your own with --model."
        )
    below = dict(plugin.defaults)
    if asked.strategy != below.get("strategy", Recipe.model_fields["strategy"].default) or "preset" in asked.options:
        below.pop("options", None)
    full = over(below, data)
    full["task"] = {**full.get("task", {}), "name": name}
    if own:
        full["adapter"] = plugin.adapter
    return Recipe.parse(full)


def example_for(adapter: str | None) -> str:
    """The task whose own model fits an adapter: the built-in example."""
    if adapter is not None:
        load(ADAPTERS, adapter)
    examples = [row for row in catalogue(TASKS) if row.plugin is not None and row.plugin.model is not None]
    fitting = [row for row in examples if row.plugin and adapter in (None, row.plugin.adapter)]
    own = [row for row in fitting if row.distribution == "prunekit"] or fitting
    if not own:
        there = ", ".join(sorted({str(row.plugin.adapter) for row in examples if row.plugin})) or "none"
        raise PrunekitError(
            f"The adapter {adapter!r} has no built-in example (adapters with one: {there}); give a model with --model "
            "and data with --task, or with --train, --eval, --source, --target and --metric."
        )
    return own[0].name


def model_of(recipe: Recipe) -> str:
    """The directory or hub id of the recipe's model: its own, or the one that its task brings."""
    if recipe.model is not None:
        return recipe.model
    plugin = _plugin_of(recipe.task)
    if plugin is None or plugin.model is None:
        raise PrunekitError("Say which model to prune with --model: a directory, or a hub id like org/name.")
    return str(plugin.model)


def open_task(section: TaskSection, read: Callable[[TaskSection], Task] = from_files) -> Task:
    """The task that a recipe names or, with `read`, the one that it describes by its files."""
    plugin = _plugin_of(section)
    if _has_files(section):
        if plugin is None:
            return read(section)
        if not issubclass(plugin, FileTaskPlugin):
            raise PrunekitError(f"The task {section.name!r} brings its own data; leave out --task, or the files.")
        return plugin().of(read(section))
    if plugin is None:
        raise PrunekitError(
            f"Say what the model is for: --task with one of {', '.join(names(TASKS))}, or "
            "--train, --eval, --source, --target and --metric."
        )
    return plugin().open(section)


def _has_files(section: TaskSection) -> bool:
    return any((section.train, section.eval, section.test))


def _is_label(section: TaskSection) -> bool:
    """Whether the task's name only labels a task that is given by files."""
    return _has_files(section) and section.name not in names(TASKS)


def _plugin_of(section: TaskSection) -> type[TaskPlugin] | None:
    return None if section.name is None or _is_label(section) else load(TASKS, section.name)


def device_of(name: str) -> str:
    """The device to work on; ``auto`` is the GPU where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise PrunekitError(f"The device {name!r} cannot be used here; choose auto, cpu or another one.") from error
    return name


INPUTS = {"input_ids": "text", "input_features": "audio", "input_values": "audio", "pixel_values": "image"}
"""What models read, by the name of their input."""


def _check_reads(adapter: Adapter, config: PretrainedConfig, task: Task) -> None:
    """Raise `PrunekitError` where a task gives what the model cannot read."""
    reads = {INPUTS.get(name) for name in adapter.encoder_inputs(config, 1)} - {None}
    if task.modality not in reads:
        hint = "for recordings there is --task asr." if reads == {"audio"} else "give a model that fits the task."
        raise PrunekitError(
            f"A model of type {config.model_type!r} reads {', '.join(sorted(filter(None, reads)))}, but the task "
            f"{task.name!r} gives {task.modality}; {hint}"
        )


def open_processor(directory: Path, config: PretrainedConfig, task: Task, trust_remote_code: bool = False) -> Processor:
    """What reads a task's rows for the model in a directory."""
    tokenizer = open_tokenizer(directory, trust_remote_code)
    if task.modality == "text":
        return TextProcessor(tokenizer, task.section)
    extractor = open_extractor(directory, trust_remote_code)
    return AudioProcessor(tokenizer, task.section, extractor, getattr(config, "decoder_start_token_id", None))


def _check_vocabulary(processor: Processor, model: PreTrainedModel, directory: Path) -> None:
    table: Any = model.get_input_embeddings()
    tokens = len(processor.tokenizer)
    if tokens > table.num_embeddings:
        raise PrunekitError(
            f"The tokenizer in {str(directory)!r} has {tokens} tokens, but the model's vocabulary only "
            f"{table.num_embeddings}; give the tokenizer that belongs to the model."
        )
