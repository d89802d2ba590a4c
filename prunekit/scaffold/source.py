"""A draft written down: Python that a formatter leaves as it is."""

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import jinja2

from prunekit.find.adapter import Adapter, Root
from prunekit.find.groups import Kind
from prunekit.scaffold.draft import Draft
from prunekit.scaffold.head_size import BART
from prunekit.scaffold.layers import Layers

LINE = 120
"""Characters a line."""

PLAIN = "AutoModelForSeq2SeqLM"
"""The Auto class that adapters have unless they name another."""


def adapter_source(draft: Draft) -> str:
    """The adapter's module, with what is missing as a comment."""
    named = _named(draft)
    names = ["Adapter", "Stack", *sorted({_call(root) for found in draft.found for root in found.roots()}), "hookimpl"]
    values = {
        "title": f"{draft.name}, as `prunekit new-adapter {draft.kind.model_type}` found it.",
        "auto": "" if draft.kind.auto == PLAIN else draft.kind.auto,
        "names": ", ".join(names),
        "name": draft.name,
        "summary": f"{draft.model}: stacks, roots and sizes as a tiny model has them.",
        "comments": list(_comments(draft.missing)),
        "statements": list(_statements(draft)),
        "head_size": "" if draft.head_size in (None, BART) else str(draft.head_size),
        "roots": _assigned(named),
        "stacks": [_stack(draft, number, named) for number in range(len(draft.layers))],
    }
    return _render("adapter.py.j2", values)


def suite_source(draft: Draft, module: str) -> str:
    """The test's module, which imports the adapter from `module`."""
    values = {
        "model_type": draft.kind.model_type,
        "config": draft.kind.config_class.__name__,
        "module": module,
        "name": draft.name,
        "single": draft.single,
        "sizes": draft.kind.tiny(),
    }
    return _render("test.py.j2", values)


def _render(template: str, values: Mapping[str, Any]) -> str:
    pages = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    text = (files("prunekit.scaffold") / template).read_text(encoding="utf-8")
    return pages.from_string(text).render(values)


def _comments(missing: Sequence[str]) -> Iterator[str]:
    """What is missing, in lines that fit."""
    if missing:
        yield "To be done by hand:"
    for sentence in missing:
        yield from textwrap.wrap(f"- {sentence}", LINE - 8, subsequent_indent="  ", break_long_words=False)


def _statements(draft: Draft) -> Iterator[str]:
    """The class's own attributes, where they differ from every adapter's."""
    if draft.kind.auto != PLAIN:
        yield f"    auto_class = {draft.kind.auto}"
    yield f"    model_types = {_tuple([draft.kind.model_type])}"
    for name, values in (("gathers", draft.gathers), ("keep", draft.keep)):
        if values:
            yield f"    {name} = {_tuple(values)}"
    standard = dict(Adapter.skeleton_sizes)
    own = draft.skeleton_sizes
    inherited = standard.items() <= own.items()
    if own != standard:
        parts = [f"{_text(key)}: {size}" for key, size in own.items() if not (inherited and key in standard)]
        yield bracketed("    skeleton_sizes = {", ["**Adapter.skeleton_sizes"] * inherited + parts, "}", 4)


def _named(draft: Draft) -> dict[str, str]:
    """The attentions' roots with the names that they get: ``inner`` where the encoder's is not the decoder's own."""
    encoder, decoder = (found.attentions for found in draft.found)
    names: dict[str, str] = {}
    for attention in (*decoder, *encoder):
        name = "cross" if attention.cross else "own" if attention in decoder else "inner"
        taken = sum(other.startswith(name) for other in names.values())
        names.setdefault(_root(attention.root(draft.sized)), f"{name}{taken or ''}")
    return names


def _assigned(named: Mapping[str, str]) -> list[str]:
    """``own, cross = heads("self_attn.q_proj"), heads("encoder_attn.q_proj")``, or one a line."""
    together = f"        {', '.join(named.values())} = {', '.join(named)}"
    if named and len(together) <= LINE:
        return [together]
    return [f"        {name} = {root}" for root, name in named.items()]


def _stack(draft: Draft, number: int, named: Mapping[str, str]) -> str:
    layers = draft.layers[number]
    roots = [named.get(text, text) for text in map(_root, draft.found[number].roots(draft.sized))]
    parts = [_text(layers.name), _text(layers.path), *roots, *_depths(layers)]
    return bracketed(" " * 12 + "Stack(", parts, "),", 12)


def _depths(layers: Layers) -> Iterator[str]:
    if layers.depth != (f"{layers.name}_layers",):
        yield f"depth={_tuple(layers.depth)}"
    if layers.own_depth:
        yield f"own_depth={_tuple(layers.own_depth)}"


def _call(root: Root) -> str:
    """The function of the public door that makes a root."""
    return "heads" if root.kind is Kind.HEADS else "ffn"


def _root(root: Root) -> str:
    """``heads("self_attn.q_proj")``, with what differs from what `heads` assumes."""
    parts = [_text(root.module)]
    if root.kind is Kind.HEADS:
        parts += [f"count={_text(root.count)}"] * (root.count not in ("", "num_heads"))
        parts += [f"results={root.results}"] * (root.results != 2)
        parts += [f"width={_text(root.width)}"] * bool(root.width)
    return f"{_call(root)}({', '.join(parts)})"


def bracketed(start: str, parts: Sequence[str], end: str, indent: int) -> str:
    """All parts in one line if it fits, else one a line, each with its comma."""
    line = f"{start}{', '.join(parts)}{end}"
    if len(line) <= LINE:
        return line
    inner = "".join(f"{' ' * (indent + 4)}{part},\n" for part in parts)
    return f"{start}\n{inner}{' ' * indent}{end}"


def _tuple(values: Iterable[str]) -> str:
    texts = [_text(value) for value in values]
    return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"


def _text(value: str) -> str:
    return json.dumps(value)
