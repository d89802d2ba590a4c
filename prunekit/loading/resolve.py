"""Recipe defaults: what a recipe leaves out comes from its task, or from the built-in example."""

from typing import Any

from prunekit._support.nested import over
from prunekit.errors import PrunekitError
from prunekit.loading.task import has_files, is_label
from prunekit.plugins import ADAPTERS, TASKS, catalogue, load
from prunekit.recipe import Recipe


def resolve(data: Any) -> Recipe:
    """The recipe that parsed YAML or command-line keys ask for: what they leave out comes from the task, if it has it.

    Without a model and a task it is the built-in example of the adapter. A task's `options` belong to the strategy it
    chose them for, and give way to a preset. Resolving what was resolved changes nothing.
    """
    asked = Recipe.parse(data)
    name = asked.task.name or (None if asked.model or has_files(asked.task) else example_for(asked.adapter))
    if name is None or is_label(asked.task):
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
