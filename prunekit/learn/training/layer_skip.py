"""Layers that a plan drops, passed by: what enters them leaves them, without their being run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from prunekit._support.patching import patched
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan

Layer = tuple[str, int]
"""A layers group and a position in its stack."""

Given = dict[int | str, Any]
"""What a layer was called with: arguments by place, keyword arguments by name."""


class LayerSkip:
    """Which layers of a live model are passed by; `follow` sets which.

    A layer may hand on more than its streams of hidden states: T5's first makes the position biases of all. So each is
    watched when it first runs, and only one that gives nothing but its streams and what it was given is passed by.
    Example: of twelve decoder layers of a T5 eleven can be, of a BART all.
    """

    def __init__(self) -> None:
        self._off: set[Layer] = set()
        self._ways: dict[Layer, list[int | str | None] | None] = {}

    def follow(self, groups: Sequence[PruningGroup], plan: PruningPlan) -> None:
        """From now on pass by the layers that `plan` drops."""
        stacks = [group for group in groups if group.kind is Kind.LAYERS]
        kept = {group.name: set(plan.of(group)) for group in stacks}
        self._off = {(g.name, n) for g in stacks for n, unit in enumerate(g.ids) if unit not in kept[g.name]}

    @contextmanager
    def of(self, model: nn.Module, groups: Sequence[PruningGroup]) -> Iterator[None]:
        """Let the layers of `model` be passed by, for the duration of the block."""
        with ExitStack() as block:
            for group in (group for group in groups if group.kind is Kind.LAYERS):
                for n, layer in enumerate(model.get_submodule(group.path).children()):
                    forward = self._forward(layer.forward, (group.name, n), group.streams)
                    block.enter_context(patched(layer, "forward", forward))
            yield

    def _forward(self, run: Callable[..., Any], layer: Layer, streams: int) -> Callable[..., Any]:
        def forward(*args: Any, **kwargs: Any) -> Any:
            given: Given = dict((*enumerate(args), *kwargs.items()))
            if layer in self._off and (ways := self._ways.get(layer)) is not None:
                passed = tuple(None if way is None else given[way] for way in ways)
                return passed if len(passed) > 1 else passed[0]
            output = run(*args, **kwargs)
            if layer not in self._ways:
                self._ways[layer] = _ways(output, given, streams)
            return output

        return forward


def _ways(output: Any, given: Given, streams: int) -> list[int | str | None] | None:
    """Which argument each part of a layer's output is when the layer is passed by; None for a part that is None.

    None instead of a list where the layer gives something of its own, or a single stream in a tuple.
    """
    extras = output[streams:] if isinstance(output, tuple) else ()
    ways: list[int | str | None] = [n if n in given else "hidden_states" for n in range(streams)]
    for extra in extras:
        found = [key for key, value in given.items() if value is extra]
        if extra is not None and not found:
            return None
        ways.append(None if extra is None else found[0])
    return None if isinstance(output, tuple) and len(ways) == 1 else ways
