"""Checks of a declaration: against the traced couplings, and against the modules that it names."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import networkx as nx
from torch import Tensor, nn

from prunekit.conformance.checks import Failure
from prunekit.conformance.model_under_test import ERROR_LENGTH, ModelUnderTest
from prunekit.errors import error_line
from prunekit.find.adapter import FirstOwned, Root, Stack
from prunekit.find.config_keys import get_key
from prunekit.find.groups import Kind, PruningGroup, groups_by_role
from prunekit.find.trace import Node
from prunekit.find.validation import first_only, layer_of

STACKS = {"encoder", "decoder"}


def declaration_and_trace(specimen: ModelUnderTest) -> None:
    """The declaration and the traced couplings agree, both ways, in an encoder and a decoder."""
    graph = specimen.graph
    stacks = specimen.adapter.stacks(specimen.config)
    missing = STACKS - {stack.name for stack in stacks}
    if missing:
        raise Failure(f"no stack is called {' or '.join(sorted(missing))}")
    for stack in stacks:
        if not any(group.stack == stack.name and group.prunable for group in graph.groups):
            raise Failure(f"nothing in the stack {stack.name!r} can be pruned")


def attributes_are_there(specimen: ModelUnderTest) -> None:
    """Attributes that the adapter names exist, and say how many heads there are and which layer is the first."""
    for stack in specimen.adapter.stacks(specimen.config):
        layers = list(specimen.model.get_submodule(stack.path).children())
        for number, layer in enumerate(layers):
            for root, heads in _heads(specimen, stack, number):
                _attention(f"{stack.path}.{number}.{root.owner}", layer.get_submodule(root.owner), root, len(heads))
            if stack.first is not None:
                _flag(f"{stack.path}.{number}", layer, stack.first, number == 0)
        _only_first(stack, layers)


def _heads(specimen: ModelUnderTest, stack: Stack, number: int) -> Iterator[tuple[Root, PruningGroup]]:
    """The roots of a layer's attentions, each with its group."""
    groups = groups_by_role(specimen.graph.groups)
    for root in stack.roots:
        if root.kind is Kind.HEADS:
            yield root, groups[stack.name, number, root.role]


def _attention(path: str, attention: nn.Module, root: Root, heads: int) -> None:
    """The attributes that a root names have the values that it implies."""
    rows = attention.get_parameter(f"{root.module.rpartition('.')[2]}.weight").shape[0]
    figures = {root.count: heads, **dict.fromkeys(root.broadcast, heads), **({root.width: rows} if root.width else {})}
    for attribute, real in figures.items():
        found = get_key(attention, attribute)
        if found != real:
            raise Failure(f"{path}.{attribute} is {found}, where {real} was expected of {root.module!r}")
    if root.shared is not None:
        if root.shared.argument not in inspect.signature(attention.forward).parameters:
            raise Failure(f"{path} takes no {root.shared.argument!r}")
        if not callable(getattr(attention, root.shared.maker, None)):
            raise Failure(f"{path} has no method {root.shared.maker!r}")


def _flag(path: str, layer: nn.Module, first: FirstOwned, owns: bool) -> None:
    """The flag is True in the first layer, and False in others."""
    if getattr(layer.get_submodule(first.module), first.flag, None) is not owns:
        raise Failure(f"{path}.{first.module}.{first.flag} is not {owns}")


def _only_first(stack: Stack, layers: list[nn.Module]) -> None:
    """What is in the first layer and in no other one is declared, and nothing else."""
    own = first_only(layers)
    declared = {f"{stack.first.module}.{name}" for name in stack.first.names} if stack.first else set()
    wrong = sorted(declared.symmetric_difference(own))
    if wrong:
        raise Failure(f"{stack.path}.0 and no other layer has {own}, but `first` names {sorted(declared)}: {wrong}")


def attentions_return_as_many(specimen: ModelUnderTest) -> None:
    """Attentions return as many values as the adapter says."""
    expected = {
        f"{stack.path}.{heads.layer}.{root.owner}": root.results
        for stack in specimen.adapter.stacks(specimen.config)
        for number in range(len(list(specimen.model.get_submodule(stack.path).children())))
        for root, heads in _heads(specimen, stack, number)
        if heads.prunable
    }
    for path, found in specimen.results(expected).items():
        if found != expected[path]:
            raise Failure(f"{path} returns {found} values, not {expected[path]}")


def streams_hang_on_tables(specimen: ModelUnderTest) -> None:
    """A stack whose hidden dimensions hang on another's by a tied table alone can be narrowed by itself."""
    graph = specimen.graph
    stacks = specimen.adapter.stacks(specimen.config)
    traced = nx.Graph((one, other) for one, other, kind in graph.graph.edges(data="kind") if kind == "traced")
    tables = {name for name, module in specimen.model.named_modules() if isinstance(module, nn.Embedding)}
    for group in (g for g in graph.groups if g.kind is Kind.HIDDEN):
        mine = {(piece.parameter, piece.dim) for piece in group.slices}
        parts = [part for part in nx.connected_components(traced) if part & mine]
        for part in parts if len(parts) > 1 else ():
            tied = [name for name, _ in part if name in graph.ties]
            if _layered(part, stacks[:1]) and tied and {name.removesuffix(".weight") for name in tied} <= tables:
                raise Failure(f"the stack {stacks[0].name!r} hangs on {group.name!r} by {tied[0]!r} alone")


def _layered(part: set[Node], stacks: tuple[Stack, ...]) -> bool:
    """Whether any of the parameters lies in a layer of these stacks."""
    return any(layer_of(name, stacks) is not None for name, _ in part)


def hints_are_accepted(specimen: ModelUnderTest) -> None:
    """What the adapter adds to a batch is made of its rows; the model takes it, and its logits keep their shape."""
    known = _hints(specimen, specimen.inputs)
    if not known:
        return  # the architecture wants nothing beside its inputs
    plain = {name: tensor for name, tensor in specimen.batch.items() if name not in known}
    hints = _hints(specimen, plain)
    rows = {len(tensor) for tensor in plain.values()}
    wrong = {name: tuple(tensor.shape) for name, tensor in hints.items() if {len(tensor)} != rows}
    if wrong:
        raise Failure(f"hints must have one row for each row of the batch, but have the shapes {wrong}")
    expected = specimen.logits_of(plain)
    try:
        found = specimen.logits_of({**plain, **hints})
    except Exception as error:  # whatever a model raises that does not know them
        raise Failure(f"the model does not take {sorted(hints)}: {error_line(error, ERROR_LENGTH)}") from error
    if found.shape != expected.shape:
        raise Failure(f"logits are {tuple(found.shape)} with {sorted(hints)}, and {tuple(expected.shape)} without")
    if found.equal(expected):
        raise Failure(f"the model does not listen to {sorted(hints)}: its logits are the same without")


def _hints(specimen: ModelUnderTest, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return specimen.adapter.attention_hints(specimen.config, batch)


def parts_are_owned(specimen: ModelUnderTest) -> None:
    """Parameters of the encoder count as encoder or embedding, and those of the decoder as its own."""
    model: Any = specimen.model
    paths = {id(module): path for path, module in model.named_modules()}
    for stack in specimen.adapter.stacks(specimen.config):
        inner = model.get_encoder() if stack.name == "encoder" else model.get_decoder()
        for name, part in specimen.graph.parts.items():
            if name.startswith(f"{paths[id(inner)]}.") and part not in (stack.name, "embedding"):
                raise Failure(f"{name!r} lies in the {stack.name} but counts as {part}")
