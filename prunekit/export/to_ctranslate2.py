"""A pruned model for CTranslate2, whose specifications have one number of heads for each stack.

Attentions are padded with heads of zeros to the widest one of their stack. What the stock converter assumes of all
layers (one table of position biases, one width of both stacks) is set layer by layer.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from prunekit._support.hooks import HookSet
from prunekit.cut.checkpoint import plan_of
from prunekit.cut.layout import Holders, Layout, parameter_holders, replace_parameter, uninstall
from prunekit.cut.layout_compiler import unit_indices
from prunekit.cut.module_overrides import GatherOutput
from prunekit.cut.pruned_model import Pruned, stock_class
from prunekit.errors import PrunekitError
from prunekit.export.ctranslate2_words import frame_answers, register_words
from prunekit.export.framing import Framing
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import Kind, PruningGroup, Role
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.find.trace import example_inputs

Heads = Mapping[str, tuple[int, ...]]
"""The heads of each attention, by their numbers in the dense model, those of zeros among them."""


def export_ctranslate2(
    model: PreTrainedModel, adapter: Adapter, graph: DependencyGraph, tokenizer: Any, directory: Path, quantization: str
) -> list[str]:
    """Write `model` in CTranslate2's format and return its vocabulary; `graph` describes the original.

    `quantization` is one of CTranslate2's, like ``float32`` or ``int8``. Raises `PrunekitError` for architectures that
    it does not translate, and for a quantization that it does not know.
    """
    live = groups_after(graph.groups, plan_of(model) or PruningPlan())
    full = {group.name: group for group in graph.groups}
    even = _as_stock(model)
    heads = pad_to_even(even, live, full)
    loader = _loader(adapter, even)
    framing = Framing.of(model)
    try:
        spec = loader.get_model_spec(even)
        loader.set_config(spec.config, even, tokenizer)
        names = loader.get_vocabulary(even, tokenizer)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PrunekitError(f"CTranslate2's loader cannot read a {type(even).__name__}: {error}") from error
    _set_heads(spec, live, heads)
    if hasattr(spec.decoder, "scale_outputs"):
        spec.decoder.scale_outputs = _scale(model, example_inputs(adapter, even))
    _align(spec.config, model, live, heads)
    vocabulary = register_words(spec, loader, names, even, tokenizer)
    frame_answers(spec, even, tokenizer, framing, vocabulary)
    _save(spec, directory, quantization)
    return vocabulary


def ctranslate2_library() -> Any:
    """The package ctranslate2; raises `PrunekitError` where it is not installed."""
    try:
        import ctranslate2
        import ctranslate2.converters.transformers
    except ImportError as error:
        raise PrunekitError("This export needs the package ctranslate2; install 'prunekit[ctranslate2]'.") from error
    return ctranslate2


class Loaders(Mapping[str, Any]):
    """CTranslate2's loaders of models of transformers, by the name of the config class that each reads.

    Example: ``loaders["BartConfig"]``, or ``loaders.get("MyConfig")``, which is None where there is none. Raises
    `PrunekitError` where the installed CTranslate2 keeps its loaders elsewhere.
    """

    def __init__(self, converter: Any) -> None:
        known = getattr(converter, "_MODEL_LOADERS", None)  # by private name: it has no public one
        if not isinstance(known, Mapping):
            raise PrunekitError(
                "The installed ctranslate2 does not list its loaders where prunekit looks for them; install "
                "'ctranslate2<5', or export the model with --to plain."
            )
        self._known: Mapping[str, Any] = known

    def __getitem__(self, config: str) -> Any:
        return self._known[config]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _loader(adapter: Adapter, model: PreTrainedModel) -> Any:
    """The loader that the adapter chooses; raises `PrunekitError` where there is none."""
    loader = adapter.ctranslate2(model, Loaders(ctranslate2_library().converters.transformers))
    if loader is None:
        kind = type(model.config).__name__
        raise PrunekitError(f"There is no export of models with a {kind} to CTranslate2; try --to plain.")
    return loader


@torch.no_grad()
def _as_stock(model: PreTrainedModel) -> PreTrainedModel:
    """A float32 copy of the stock class, without overrides; a narrower stack gets tables of its own width."""
    whole: Any = copy.deepcopy(model)
    uninstall(whole.float())
    if isinstance(model, Pruned):
        for override in Layout.from_dict(whole.config.prunekit["layout"]).overrides:
            if isinstance(override, GatherOutput):
                _narrow_tables(whole.get_submodule(override.path), torch.tensor(override.index))
        whole.__class__ = stock_class(type(whole))
        whole.config.__class__ = whole.config_class
    whole.config.vocab_size = len(whole.get_input_embeddings().weight)
    stock: PreTrainedModel = whole
    return stock


def _narrow_tables(module: nn.Module, index: torch.Tensor) -> None:
    """Keep only these columns of a table, whether it is learned or computed."""
    for name, weight in list(module.named_parameters(recurse=False)):
        setattr(module, name, nn.Parameter(weight.index_select(-1, index), requires_grad=False))
    for name, table in list(module.named_buffers(recurse=False)):
        setattr(module, name, table.index_select(-1, index))


@torch.no_grad()
def pad_to_even(model: PreTrainedModel, live: Sequence[PruningGroup], full: Mapping[str, PruningGroup]) -> Heads:
    """Pad every attention of `model`, in place, to the heads of the widest one of its stack; returns their numbers.

    A feed-forward layer without channels gets one of zeros.
    """
    holders = parameter_holders(model)
    groups = [group for group in live if group.kind is Kind.HEADS]
    widest = {stack: max(len(g) for g in groups if g.stack == stack) for stack in {g.stack for g in groups}}
    found = {group.name: _with_spare_heads(group, full[group.name], max(widest[group.stack], 1)) for group in groups}
    channels = {g.name: g.ids or full[g.name].ids[:1] for g in live if g.kind is Kind.FFN}
    for group in live:
        ids = {**found, **channels}.get(group.name, group.ids)
        if len(ids) > len(group):
            _spread(model, holders, group, ids)
    return found


def _with_spare_heads(group: PruningGroup, original: PruningGroup, count: int) -> tuple[int, ...]:
    """The heads of a group and as many dropped ones as it takes to be `count`, by their numbers."""
    spare = [number for number in original.ids if number not in group.ids]
    return tuple(sorted([*group.ids, *spare[: count - len(group)]]))


def _spread(model: PreTrainedModel, holders: Holders, group: PruningGroup, ids: Sequence[int]) -> None:
    """Give a group these units; those that it lacks are zeros."""
    positions = [ids.index(number) for number in group.ids]
    for piece in group.slices:
        index = unit_indices(piece, positions, len(ids))
        old = model.get_parameter(piece.parameter)
        size = list(old.shape)
        size[piece.dim] = len(ids) * piece.width
        replace_parameter(holders, old, old.new_zeros(size).index_copy_(piece.dim, index, old))


def _set_heads(spec: Any, live: Sequence[PruningGroup], heads: Heads) -> None:
    """Tell a specification how many heads its attentions have, how they scale queries, and which biases are theirs."""
    for stack in ("encoder", "decoder"):
        counts = [len(heads[group.name]) for group in live if group.stack == stack and group.kind is Kind.HEADS]
        if counts:
            getattr(spec, stack).num_heads = np.int16(max(counts))
    _scale_queries(spec)
    _narrow_biases(spec, live, heads)


def _scale_queries(spec: Any) -> None:
    """Set the query scale where the loader left it unset: CTranslate2 would derive it from the width of the stack."""
    unset = ctranslate2_library().specs.model_spec.OPTIONAL
    for stack in (spec.encoder, spec.decoder):
        for layer in stack.layer:
            for attention, parts in ((layer.self_attention, 3), (getattr(layer, "attention", None), 1)):
                if attention is not None and attention.queries_scale == unset:
                    size = len(attention.linear[0].weight) / parts / int(stack.num_heads)
                    attention.queries_scale = size**-0.5


def _narrow_biases(spec: Any, live: Sequence[PruningGroup], heads: Heads) -> None:
    """Give every layer its own columns of its stack's table of position biases, unless the table is its own."""
    for stack in ("encoder", "decoder"):
        own = [heads[group.name] for group in live if group.stack == stack and group.role is Role.SELF]
        for layer, ids in zip(getattr(spec, stack).layer, own, strict=False):
            table = getattr(layer.self_attention, "relative_attention_bias", None)
            if table is not None and hasattr(table, "shape") and table.shape[1] > len(ids):
                layer.self_attention.relative_attention_bias = table[:, list(ids)]


def _scale(model: PreTrainedModel, inputs: dict[str, Any]) -> Any:
    """By what the decoder's output is multiplied before the projection, as measured: T5's configs disagree about it."""
    whole: Any = model
    seen: dict[str, torch.Tensor] = {}
    with HookSet() as hooks, torch.no_grad():
        hooks.after(whole.get_decoder(), lambda _, args, output: seen.update(out=output[0]))
        hooks.before(whole.get_output_embeddings(), lambda _, args: seen.update(read=args[0]))
        whole(**inputs)
    factor = float((seen["read"] * seen["out"]).sum() / seen["out"].square().sum())
    return ctranslate2_library().specs.model_spec.OPTIONAL if abs(factor - 1) < 1e-3 else factor


def _align(config: Any, model: PreTrainedModel, live: Sequence[PruningGroup], heads: Heads) -> None:
    """List the heads by which words are timed as `model` does, numbered among those of zeros.

    A model that lists none times no words, though a loader may then name heads of its own.
    """
    if not hasattr(config, "alignment_heads"):
        return
    cross = [group for group in live if group.role is Role.CROSS]
    known = {
        (layer, head): [layer, heads[group.name].index(unit)]
        for layer, group in enumerate(cross)
        for head, unit in enumerate(group.ids)
    }
    pairs = getattr(model.generation_config, "alignment_heads", None) or ()
    config.alignment_heads = [known[layer, head] for layer, head in pairs if (layer, head) in known]


def _save(spec: Any, directory: Path, quantization: str) -> None:
    try:
        spec.validate()
    except ValueError as error:
        raise PrunekitError(f"CTranslate2 cannot hold this model: {error}") from error
    try:
        spec.optimize(quantization=quantization)
    except ValueError as error:
        raise PrunekitError(f"CTranslate2 refuses the quantization {quantization!r}: {error}") from error
    directory.mkdir(parents=True, exist_ok=True)
    spec.save(str(directory))
