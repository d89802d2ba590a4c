"""The roots of a layer as traced: attentions by query projections, the feed-forward layer by its first matrix."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from prunekit.find.adapter import Root, Stack, ffn, heads
from prunekit.find.validation import Component, first_only, layer_of
from prunekit.scaffold.sizes import HEADS

QUERY = re.compile(r"q|q_\w+|query\w*")
CROSS = re.compile(r"\w*(cross|enc)\w*", re.IGNORECASE)


@dataclass(frozen=True)
class Attention:
    """An attention inside a layer. Example: BART's ``encoder_attn`` with its query projection ``q_proj``.

    `count` is the attribute that holds the number of heads, `width` one, if any, that is as large as all of them
    together; `cross` says whether its keys come from the encoder.
    """

    path: str
    query: str
    count: str
    width: str
    cross: bool
    results: int

    @property
    def module(self) -> str:
        """The query projection, relative to the layer."""
        return f"{self.path}.{self.query}"

    def root(self, sized: bool = False) -> Root:
        """The root that it is declared as; `sized` where the attention reads its own width."""
        return heads(self.module, count=self.count, results=self.results, width=self.width if sized else "")


@dataclass(frozen=True)
class Found:
    """The parts of a layer: its attentions, self before cross, and its feed-forward layer's first matrix."""

    attentions: tuple[Attention, ...]
    channels: str | None

    def roots(self, sized: bool = False) -> tuple[Root, ...]:
        """The roots in the order in which adapters declare them."""
        matrix = (ffn(self.channels),) if self.channels else ()
        return (*(attention.root(sized) for attention in self.attentions), *matrix)


@dataclass(frozen=True)
class Evidence:
    """What tracing and running a skeleton showed; without components where it could not be traced.

    `results` holds how many values each module returns.
    """

    model: nn.Module
    stacks: Sequence[Stack]
    components: Sequence[Component]
    results: Mapping[str, int]

    def owner(self, parameter: str, dim: int) -> Component:
        """What must be cut together with one dimension of a parameter."""
        return next((c for c in self.components if (parameter, dim) in c), frozenset())

    def inside(self, stack: Stack, layer: int) -> list[Component]:
        """The components that lie in one layer altogether."""
        return [c for c in self.components if {layer_of(name, self.stacks) for name, _ in c} == {(stack, layer)}]


def roots_of(stack: Stack, evidence: Evidence, missing: list[str], keep: list[str]) -> Found:
    """The roots of a stack's layers. Sentences on what must be added by hand go to `missing`, parameters to `keep`.

    Those are of traced groups for which no root was found.
    """
    layer = evidence.model.get_submodule(f"{stack.path}.1")
    attentions = sorted(_attentions(stack, layer, evidence), key=lambda attention: attention.cross)
    free = evidence.inside(stack, 1)
    for attention in attentions:
        weight = f"{stack.path}.1.{attention.module}.weight"
        owned = evidence.owner(weight, 0)
        if owned in free:
            free.remove(owned)
        elif evidence.components:
            missing.append(_coupled(stack, attention, owned, evidence))
        if not attention.count:
            missing.append(f"no attribute of {attention.path} counts its heads; name it in `heads(..., count=...)`.")
    channels = _channels(stack, layer, attentions, free, evidence)
    if channels is None:
        missing.append(f"no feed-forward layer was traced in {stack.path}; give it a root, or leave it whole.")
    for component in free:
        if f"{stack.path}.1.{channels}.weight" not in {name for name, _ in component}:
            name = min(component)[0].removeprefix(f"{stack.path}.1.").rpartition(".")[0]
            keep.append(name)
            missing.append(f"{name} in {stack.path} is a group of its own without a root, and kept whole.")
    return Found(tuple(attentions), channels)


def _attentions(stack: Stack, layer: nn.Module, evidence: Evidence) -> Iterator[Attention]:
    """Every module of a layer that has a query projection."""
    for path, module in layer.named_modules():
        matrices = {name: child for name, child in module.named_children() if isinstance(child, nn.Linear)}
        query = next((name for name in matrices if QUERY.fullmatch(name)), None)
        if path and query is not None:
            here = f"{stack.path}.1.{path}"
            rows = matrices[query].out_features
            numbers = {name: value for name, value in vars(module).items() if type(value) is int}
            count = next((name for name, value in numbers.items() if HEADS.fullmatch(name) and rows % value == 0), "")
            width = next((name for name, value in numbers.items() if value == rows and name != count), "")
            cross = stack.name == "decoder" and _crosses(here, matrices, evidence)
            yield Attention(path, query, count, width, cross, evidence.results.get(here, 2))


def _crosses(here: str, matrices: Mapping[str, nn.Linear], evidence: Evidence) -> bool:
    """Whether what an attention reads is, for some projections but not for all, coupled with the encoder's layers."""
    if not evidence.components:
        return bool(CROSS.fullmatch(here.rpartition(".")[2]))
    components = [evidence.owner(f"{here}.{name}.weight", 1) for name in matrices]
    reads = [_reaches_encoder(component, evidence) for component in components if component]
    return any(reads) and not all(reads)


def _reaches_encoder(component: Component, evidence: Evidence) -> bool:
    found = [layer_of(parameter, evidence.stacks) for parameter, _ in component]
    return any(layer is not None and layer[0].name == "encoder" for layer in found)


def _coupled(stack: Stack, attention: Attention, owned: Component, evidence: Evidence) -> str:
    """The sentence on why the heads of an attention are no group of their own."""
    here = f"{attention.path} in {stack.path}"
    if not owned:
        return f"no group was traced at the heads of {here}; is its query projection the right root?"
    places = {name: layer_of(name, evidence.stacks) for name, _ in owned}
    others = [name for name, at in sorted(places.items()) if at != (stack, 1)]
    own = first_only(list(evidence.model.get_submodule(stack.path).children()))
    between = [name for name in own if name.startswith(attention.path)]
    if (stack, 0) in places.values() and between:
        leaf = between[0].rpartition(".")[2]
        return (
            f"tracing couples the heads of {here} in all layers, because the first one makes something for all of them "
            f'with its {leaf}; declare `cuts = ("{leaf}",)`, and `shared` and `first`, as prunekit_adapters/t5.py does.'
        )
    return f"the heads of {here} are coupled with {others[0] if others else 'more of the layer'}; see `cuts`."


def _channels(
    stack: Stack, layer: nn.Module, attentions: Sequence[Attention], free: Sequence[Component], evidence: Evidence
) -> str | None:
    """The first matrix of the first traced group outside the attentions; without a trace, the first matrix there."""
    start = f"{stack.path}.1."
    matrices: list[str] = [path for path, module in layer.named_modules() if isinstance(module, nn.Linear)]
    for path in matrices:
        if not any(_belongs(path, attention) for attention in attentions):
            node = (f"{start}{path}.weight", 0)
            if any(node in component for component in free) or not evidence.components:
                return path
    return None


def _belongs(path: str, attention: Attention) -> bool:
    """Whether a matrix lies in an attention, or beside it in a module around it."""
    around = path.rpartition(".")[0]
    return path.startswith(f"{attention.path}.") or bool(around and attention.path.startswith(f"{around}."))
