"""The rule for the size of a head: keys of the config, found by trying which of them fit a tiny model."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import PretrainedConfig

from prunekit.scaffold.layers import Layers
from prunekit.scaffold.roots import Attention, Found
from prunekit.scaffold.sizes import HEAD_WIDTH, HEADS, WIDTH, ModelKind


@dataclass(frozen=True)
class Rule:
    """The size of a head by the config: a key, or a width and a number of heads. Example: ``d_model // num_heads``.

    ``{stack}`` in the number's key stands for the name of the stack.
    """

    width: str
    number: str = ""

    def __str__(self) -> str:
        """The rule as an expression over ``config`` and ``stack``."""
        if not self.number:
            return f"config.{self.width}"
        general = "{stack}" in self.number
        number = f'getattr(config, f"{self.number}")' if general else f"config.{self.number}"
        return f"config.{self.width} // {number}"

    def of(self, config: PretrainedConfig, stack: str) -> int | None:
        """The size of a head; None where the config lacks a key."""
        width: int = getattr(config, self.width)
        if not self.number:
            return width
        number: int | None = getattr(config, self.number.format(stack=stack), None)
        return width // number if number else None


BART = Rule("d_model", "{stack}_attention_heads")
"""The rule of `Adapter.head_size` itself."""


def head_rule(
    kind: ModelKind, tiny: nn.Module, layers: tuple[Layers, Layers], found: tuple[Found, Found], missing: list[str]
) -> Rule | None:
    """The first rule that fits every attention; None, and a sentence in `missing`, where none does."""
    config = kind.config_class(**kind.tiny())
    sizes = {
        (stack.name, _size(tiny.get_submodule(f"{stack.path}.0"), attention))
        for stack, roots in zip(layers, found, strict=True)
        for attention in roots.attentions
    }
    known = sorted((stack, size) for stack, size in sizes if size)
    for rule in _rules(kind) if known else ():
        if all(rule.of(config, stack) == size for stack, size in known):
            return rule
    rows = ", ".join(f"{size} in the {stack}" for stack, size in known) or "unknown, since nothing counts the heads"
    missing.append(f"`head_size`: no key of the config gives the rows of a head ({rows}).")
    return None


def _size(layer: nn.Module, attention: Attention) -> int | None:
    """Rows of the query projection for each head; None where nothing counts the heads."""
    module: Any = layer.get_submodule(attention.path)
    count = getattr(module, attention.count, None) if attention.count else None
    return module.get_submodule(attention.query).out_features // count if count else None


def _rules(kind: ModelKind) -> Iterator[Rule]:
    """Rules to try: keys that hold it, then widths by numbers of heads."""
    keys = list(kind.sizes("tiny"))
    yield from (Rule(key) for key in keys if HEAD_WIDTH.fullmatch(key))
    for width in (key for key in keys if WIDTH.fullmatch(key)):
        for number in (key for key in keys if HEADS.fullmatch(key)):
            yield Rule(width, re.sub("encoder|decoder", "{stack}", number))
