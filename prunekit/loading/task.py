"""The task and the model that a recipe names: a plugin's, or the user's files."""

from collections.abc import Callable

from prunekit.data.tasks import FileTaskPlugin, Task, TaskPlugin, from_files
from prunekit.errors import PrunekitError
from prunekit.loading.metrics import open_metrics
from prunekit.plugins import TASKS, load, names
from prunekit.recipe import Recipe, TaskSection


def model_of(recipe: Recipe) -> str:
    """The directory or hub id of the recipe's model: its own, or the one that its task brings."""
    if recipe.model is not None:
        return recipe.model
    plugin = _plugin_of(recipe.task)
    if plugin is None or plugin.model is None:
        raise PrunekitError("Say which model to prune with --model: a directory, or a hub id like org/name.")
    return str(plugin.model)


def open_task(section: TaskSection, read: Callable[[TaskSection], Task] = from_files) -> Task:
    """The task that a recipe names or, with `read`, the one that it describes by its files, with its metrics."""
    plugin = _plugin_of(section)
    if plugin is None and not has_files(section):
        raise PrunekitError(
            f"Say what the model is for: --task with one of {', '.join(names(TASKS))}, or "
            "--train, --eval, --source, --target and --metric."
        )
    own = plugin.metrics if plugin is not None else ()
    metrics = open_metrics(section.metric or ",".join(own) or None, section.target_language)
    task = _without_metrics(section, plugin, read)
    if task.modality == "text" and "recording" in task.dev.column_names:
        raise PrunekitError(f"{section.source!r} holds recordings, where text is needed; for them there is --task asr.")
    return task.scored_by(metrics)


def _without_metrics(
    section: TaskSection, plugin: type[TaskPlugin] | None, read: Callable[[TaskSection], Task]
) -> Task:
    if plugin is None:
        return read(section)
    if not has_files(section):
        return plugin().open(section)
    if not issubclass(plugin, FileTaskPlugin):
        raise PrunekitError(f"The task {section.name!r} brings its own data; leave out --task, or the files.")
    return plugin().of(read(section))


def has_files(section: TaskSection) -> bool:
    """Whether the task is given by files."""
    return any((section.train, section.eval, section.test))


def is_label(section: TaskSection) -> bool:
    """Whether the task's name only labels a task that is given by files."""
    return has_files(section) and section.name not in names(TASKS)


def _plugin_of(section: TaskSection) -> type[TaskPlugin] | None:
    return None if section.name is None or is_label(section) else load(TASKS, section.name)
