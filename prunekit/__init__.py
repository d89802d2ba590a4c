"""prunekit makes encoder-decoder transformers several times faster by structured pruning."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from prunekit.loading.registration import register_on_import

if TYPE_CHECKING:
    from prunekit.cut.checkpoint import from_pretrained
    from prunekit.data.metrics.metric import Metric, SummedMetric
    from prunekit.data.table import task_table
    from prunekit.data.tasks import FileTaskPlugin, Task, TaskPlugin
    from prunekit.errors import PrunekitError
    from prunekit.export.onnx_model import from_onnx
    from prunekit.find.adapter import Adapter, FirstOwned, Root, SharedInput, Stack, ffn, heads
    from prunekit.find.graph import DependencyGraph, discover
    from prunekit.find.groups import Kind, PruningGroup
    from prunekit.find.plan import PruningPlan
    from prunekit.generation import fast_generate, shared_beams
    from prunekit.hookspecs import hookimpl
    from prunekit.learn.bench import Bench
    from prunekit.learn.masking.gates import Constraint, HardConcreteGates, HardGates
    from prunekit.learn.masking.harden import harden
    from prunekit.learn.masking.schedule import SparsitySchedule
    from prunekit.learn.selection.layer_search import checked_layers, layers_by_loss
    from prunekit.learn.selection.size_search import evenly_spaced, prune_to_size, prune_to_size_uniform
    from prunekit.learn.strategy import Problem, Strategy
    from prunekit.learn.training.distillation import Distillation
    from prunekit.pipeline.prune import prune, prune_vocabulary
    from prunekit.pipeline.run import dry_run, run
    from prunekit.recipe import DistillationWeights, Recipe, TaskSection
    from prunekit.report.report import Report

__version__: str

_ROOMS = {
    "prunekit.cut.checkpoint": ("from_pretrained",),
    "prunekit.export.onnx_model": ("from_onnx",),
    "prunekit.data.metrics.metric": ("Metric", "SummedMetric"),
    "prunekit.data.table": ("task_table",),
    "prunekit.data.tasks": ("FileTaskPlugin", "Task", "TaskPlugin"),
    "prunekit.errors": ("PrunekitError",),
    "prunekit.find.adapter": ("Adapter", "FirstOwned", "Root", "SharedInput", "Stack", "ffn", "heads"),
    "prunekit.find.graph": ("DependencyGraph", "discover"),
    "prunekit.find.groups": ("Kind", "PruningGroup"),
    "prunekit.find.plan": ("PruningPlan",),
    "prunekit.generation": ("fast_generate", "shared_beams"),
    "prunekit.hookspecs": ("hookimpl",),
    "prunekit.learn.bench": ("Bench",),
    "prunekit.learn.training.distillation": ("Distillation",),
    "prunekit.learn.masking.gates": ("Constraint", "HardConcreteGates", "HardGates"),
    "prunekit.learn.masking.harden": ("harden",),
    "prunekit.learn.selection.layer_search": ("checked_layers", "layers_by_loss"),
    "prunekit.learn.masking.schedule": ("SparsitySchedule",),
    "prunekit.learn.selection.size_search": ("evenly_spaced", "prune_to_size", "prune_to_size_uniform"),
    "prunekit.learn.strategy": ("Problem", "Strategy"),
    "prunekit.report.report": ("Report",),
    "prunekit.pipeline.prune": ("prune", "prune_vocabulary"),
    "prunekit.pipeline.run": ("dry_run", "run"),
    "prunekit.recipe": ("DistillationWeights", "Recipe", "TaskSection"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "Adapter",
    "Bench",
    "Constraint",
    "DependencyGraph",
    "Distillation",
    "DistillationWeights",
    "FileTaskPlugin",
    "FirstOwned",
    "HardConcreteGates",
    "HardGates",
    "Kind",
    "Metric",
    "Problem",
    "PrunekitError",
    "PruningGroup",
    "PruningPlan",
    "Recipe",
    "Report",
    "Root",
    "SharedInput",
    "SparsitySchedule",
    "Stack",
    "Strategy",
    "SummedMetric",
    "Task",
    "TaskPlugin",
    "TaskSection",
    "checked_layers",
    "discover",
    "dry_run",
    "evenly_spaced",
    "fast_generate",
    "ffn",
    "from_onnx",
    "from_pretrained",
    "harden",
    "heads",
    "hookimpl",
    "layers_by_loss",
    "prune",
    "prune_to_size",
    "prune_to_size_uniform",
    "prune_vocabulary",
    "run",
    "shared_beams",
    "task_table",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``prunekit --help`` does not wait for torch."""
    if name == "__version__":
        value: Any = version("prunekit")
    elif name in _ROOM_OF:
        value = getattr(import_module(_ROOM_OF[name]), name)
    else:
        raise AttributeError(f"module 'prunekit' has no attribute {name!r}")
    globals()[name] = value
    return value


register_on_import()
