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


def module_place(parameter: str, stacks: Iterable[Stack]) -> tuple[Stack, int] | None:
    """The stack and the number of the layer that a parameter lies in; None outside the layers."""
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
    name = type(adapter).__name__
    owners: dict[Component, str] = {}
    depths = {stack.name: len(list(small.get_submodule(stack.path).children())) for stack in stacks}
    for stack, layer, root in all_roots(stacks, depths):
        here = f"{stack.path}.{layer}.{root.module}"
        owned = next((c for c in traced if (f"{here}.weight", 0) in c), None)
        if owned is None:
            raise AdapterError(
                f"The adapter {name} declares {root.kind} at {here!r}, but tracing found no group there."
            )
        rivals = (
            [owners[owned]]
            if owned in owners
            else sorted(n for n, _ in owned if module_place(n, stacks) != (stack, layer))
        )
        if rivals:
            raise AdapterError(
                f"The adapter {name} declares {root.kind} at {here!r} as a group of their own, but tracing couples "
                f"them with {rivals[0]!r}; declare a cut between the two, or another root."
            )
        owners[owned] = here
    for component in traced:
        places = {module_place(parameter, stacks) for parameter, _ in component}
        kept = any(part in parameter for part in adapter.keep for parameter, _ in component)
        if len(places) == 1 and None not in places and component not in owners and not kept:
            raise AdapterError(
                f"Tracing found a prunable group at {min(component)[0]!r} that the adapter {name} does not claim; "
                "name a root for it, or list it under `keep`."
            )
