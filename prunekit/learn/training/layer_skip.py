"""Skips the layers that a plan removes: their inputs become their outputs, and they do not run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from prunekit._support.patching import patched
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan

LayerKey = tuple[str, int]
"""The name of a layers group, and a position in its stack."""

Arguments = dict[int | str, Any]
"""The arguments of a layer: positional ones by position, keyword arguments by name."""

Route = list[int | str | None]
"""For each part of a layer's output, the argument that replaces it when the layer is skipped; None for None."""


class LayerSkip:
    """Which layers of a live model are skipped; `follow` sets them by a plan.

    A layer may return more than its hidden states: T5's first layer computes the position biases of all. So each layer
    is watched when it first runs, and only one that returns nothing but hidden states and its own arguments is skipped.
    Example: of twelve decoder layers of a T5 eleven can be skipped, of a BART all.
    """

    def __init__(self) -> None:
        self._skipped: set[LayerKey] = set()
        self._routes: dict[LayerKey, Route | None] = {}

    def follow(self, groups: Sequence[PruningGroup], plan: PruningPlan) -> None:
        """From now on skip the layers that `plan` removes."""
        stacks = [group for group in groups if group.kind is Kind.LAYERS]
        kept = {group.name: set(plan.of(group)) for group in stacks}
        self._skipped = {(g.name, n) for g in stacks for n, unit in enumerate(g.ids) if unit not in kept[g.name]}

    @contextmanager
    def of(self, model: nn.Module, groups: Sequence[PruningGroup]) -> Iterator[None]:
        """Make the layers of `model` skippable inside the block."""
        with ExitStack() as block:
            for group in (group for group in groups if group.kind is Kind.LAYERS):
                for n, layer in enumerate(model.get_submodule(group.path).children()):
                    forward = self._forward(layer.forward, (group.name, n), group.streams)
                    block.enter_context(patched(layer, "forward", forward))
            yield

    def _forward(self, run: Callable[..., Any], layer: LayerKey, streams: int) -> Callable[..., Any]:
        def forward(*args: Any, **kwargs: Any) -> Any:
            arguments: Arguments = dict((*enumerate(args), *kwargs.items()))
            route = self._routes.get(layer)
            if layer in self._skipped and route is not None:
                passed = tuple(None if key is None else arguments[key] for key in route)
                return passed if len(passed) > 1 else passed[0]
            output = run(*args, **kwargs)
            if layer not in self._routes:
                self._routes[layer] = _route(output, arguments, streams)
            return output

        return forward


def _route(output: Any, arguments: Arguments, streams: int) -> Route | None:
    """How a layer with this output is skipped; the first `streams` parts of the output are hidden states.

    None if the layer returns something of its own, or its only hidden states in a tuple, so that it must run.
    """
    extras = output[streams:] if isinstance(output, tuple) else ()
    route: Route = [n if n in arguments else "hidden_states" for n in range(streams)]
    for extra in extras:
        same = [key for key, value in arguments.items() if value is extra]
        if extra is not None and not same:
            return None
        route.append(None if extra is None else same[0])
    return None if isinstance(output, tuple) and len(route) == 1 else route
