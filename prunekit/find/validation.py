"""Whether an adapter's declaration and the traced couplings agree, both ways."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from torch import nn

from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter, Root, Stack
from prunekit.find.trace import Node

Component = frozenset[Node]
"""Parameter dimensions that must be cut together."""


class AdapterError(PrunekitError):
    """An adapter's declaration and the traced couplings contradict each other."""


def layer_of(parameter: str, stacks: Iterable[Stack]) -> tuple[Stack, int] | None:
    """The stack and the number of the layer that a parameter lies in; None outside of layers."""
    for stack in stacks:
        if parameter.startswith(f"{stack.path}."):
            number = parameter[len(stack.path) + 1 :].split(".", 1)[0]
            return (stack, int(number)) if number.isdigit() else None
    return None


def first_only(layers: Sequence[nn.Module]) -> list[str]:
    """Modules that the first of several layers has and no other one, relative to it, sorted."""
    first, *others = ({path for path, _ in layer.named_modules()} for layer in layers)
    return sorted(first.difference(*others)) if others else []


def all_roots(stacks: Iterable[Stack], depths: Mapping[str, int]) -> Iterator[tuple[Stack, int, Root]]:
    """Every root of every layer, in the order of the model."""
    return ((stack, layer, root) for stack in stacks for layer in range(depths[stack.name]) for root in stack.roots)


def check_paths(adapter: Adapter, stacks: Sequence[Stack], small: nn.Module) -> None:
    """Every declared stack and root must exist."""
    modules = dict(small.named_modules())
    for stack in stacks:
        for path in (stack.path, *(f"{stack.path}.0.{root.module}" for root in stack.roots)):
            if path not in modules:
                raise AdapterError(
                    f"The adapter {type(adapter).__name__} declares {path!r}, which {type(small).__name__} does not "
                    "have; name an existing module."
                )


def check_claims(adapter: Adapter, stacks: Sequence[Stack], small: nn.Module, traced: Sequence[Component]) -> None:
    """Each declared root must own one traced group inside its layer, and each such group must have an owner."""
    owners: dict[Component, str] = {}
    depths = {stack.name: len(list(small.get_submodule(stack.path).children())) for stack in stacks}
    for stack, layer, root in all_roots(stacks, depths):
        path = f"{stack.path}.{layer}.{root.module}"
        owned = _owned(adapter, root, path, traced)
        others = sorted(name for name, _ in owned if layer_of(name, stacks) != (stack, layer))
        rivals = [owners[owned]] if owned in owners else others
        if rivals:
            raise AdapterError(
                f"The adapter {type(adapter).__name__} declares {root.kind} at {path!r} as a group of their own, but "
                f"tracing couples them with {rivals[0]!r}; declare a cut between the two, or another root."
            )
        owners[owned] = path
    for component in traced:
        if component not in owners:
            _check_unclaimed(adapter, stacks, component)


def _owned(adapter: Adapter, root: Root, path: str, traced: Sequence[Component]) -> Component:
    """The traced group that holds the rows of a root's weight."""
    owned = next((component for component in traced if (f"{path}.weight", 0) in component), None)
    if owned is None:
        raise AdapterError(
            f"The adapter {type(adapter).__name__} declares {root.kind} at {path!r}, but tracing found no group there."
        )
    return owned


def _check_unclaimed(adapter: Adapter, stacks: Sequence[Stack], component: Component) -> None:
    """What no root claims must reach out of its layer, or lie where the adapter keeps everything."""
    places = {layer_of(parameter, stacks) for parameter, _ in component}
    kept = any(part in parameter for part in adapter.keep for parameter, _ in component)
    if len(places) == 1 and None not in places and not kept:
        raise AdapterError(
            f"Tracing found a prunable group at {min(component)[0]!r} that the adapter {type(adapter).__name__} does "
            "not claim; name a root for it, or list it under `keep`."
        )
