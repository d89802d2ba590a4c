"""The hooks that plugins implement: each returns a class, so that nothing happens before it is chosen.

An outsider's package names a module in its entry points, and that module implements one hook:

    [project.entry-points."prunekit.adapters"]
    pegasus = "my_package.pegasus"

    @prunekit.hookimpl
    def prunekit_adapter():
        return Pegasus
"""

from typing import Any

import pluggy

hookspec = pluggy.HookspecMarker("prunekit")
hookimpl = pluggy.HookimplMarker("prunekit")


@hookspec(firstresult=True)
def prunekit_adapter() -> type[Any] | None:
    """A subclass of `prunekit.Adapter`; its entry point in ``prunekit.adapters`` is named like the `model_type`."""


@hookspec(firstresult=True)
def prunekit_strategy() -> type[Any] | None:
    """A subclass of `prunekit.Strategy`, in ``prunekit.strategies``."""


@hookspec(firstresult=True)
def prunekit_task() -> type[Any] | None:
    """A subclass of `prunekit.TaskPlugin`, in ``prunekit.tasks``."""


@hookspec(firstresult=True)
def prunekit_metric() -> type[Any] | None:
    """A subclass of `prunekit.Metric`, in ``prunekit.metrics``; made with the name of its entry point."""
