"""A pruned model for CTranslate2, whose specifications have one number of heads for each stack.

Attentions are padded with heads of zeros to the widest one of their stack. What the stock converter assumes of all
layers (one table of position biases, one width of both stacks) is set layer by layer.
"""

import copy
from collections.abc import Mapping, Sequence
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
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import Kind, PruningGroup, Role
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.find.trace import example_inputs

Heads = Mapping[str, tuple[int, ...]]
"""The heads of each attention of the live model, by their numbers in the dense one, those of zeros among them."""


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
    heads = evened(even, live, full)
    loader = _loader(adapter, even)
    try:
        spec = loader.get_model_spec(even)
    except (AttributeError, KeyError, ValueError) as error:
        raise PrunekitError(f"CTranslate2's loader cannot read a {type(even).__name__}: {error}") from error
    for stack in ("encoder", "decoder"):
        counts = [len(heads[group.name]) for group in live if group.stack == stack and group.kind is Kind.HEADS]
        if counts:
            getattr(spec, stack).num_heads = np.int16(max(counts))
    _scale_queries(spec)
    _biases(spec, live, heads)
    if hasattr(spec.decoder, "scale_outputs"):
        spec.decoder.scale_outputs = _scale(model, example_inputs(adapter, even))
    loader.set_config(spec.config, even, tokenizer)
    _align(spec.config, live, heads)
    vocabulary = _words(loader.get_vocabulary(even, tokenizer), len(spec.decoder.embeddings.weight), tokenizer)
    loader.set_vocabulary(spec, vocabulary)
    _save(spec, directory, quantization)
    return vocabulary


def ctranslate2_library() -> Any:
    """CTranslate2, or one sentence on how to get it."""
    try:
        import ctranslate2
        import ctranslate2.converters.transformers
    except ImportError as error:
        raise PrunekitError("This export needs the package ctranslate2; install 'prunekit[ctranslate2]'.") from error
    return ctranslate2


def _loader(adapter: Adapter, model: PreTrainedModel) -> Any:
    """What the adapter takes of CTranslate2's loaders."""
    if getattr(model.config, "decoder_start_token_id", None) is None:
        raise PrunekitError(
            "The config names no decoder_start_token_id, which CTranslate2 starts with; set and save it."
        )
    loader = adapter.ctranslate2(model, ctranslate2_library().converters.transformers._MODEL_LOADERS)
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
                _gather(whole.get_submodule(override.path), torch.tensor(override.index))
        whole.__class__ = stock_class(type(whole))
        whole.config.__class__ = whole.config_class
    whole.config.vocab_size = len(whole.get_output_embeddings().weight)
    stock: PreTrainedModel = whole
    return stock


def _gather(module: nn.Module, index: torch.Tensor) -> None:
    """Only these columns of a table, whether it is learned or computed."""
    for name, weight in list(module.named_parameters(recurse=False)):
        setattr(module, name, nn.Parameter(weight.index_select(-1, index), requires_grad=False))
    for name, table in list(module.named_buffers(recurse=False)):
        setattr(module, name, table.index_select(-1, index))


@torch.no_grad()
def evened(model: PreTrainedModel, live: Sequence[PruningGroup], full: Mapping[str, PruningGroup]) -> Heads:
    """Pad every attention of `model`, in place, to the heads of the widest one of its stack; returns who they are.

    A feed-forward layer without channels gets one of zeros.
    """
    owners, found = parameter_holders(model), {}
    groups = [group for group in live if group.kind is Kind.HEADS]
    widest = {stack: max(len(g) for g in groups if g.stack == stack) for stack in {g.stack for g in groups}}
    for group in live:
        if group.kind is Kind.HEADS:
            spare = [n for n in full[group.name].ids if n not in group.ids]
            ids = tuple(sorted([*group.ids, *spare[: max(widest[group.stack], 1) - len(group)]]))
            found[group.name] = ids
        elif group.kind is Kind.FFN:
            ids = group.ids or full[group.name].ids[:1]
        else:
            continue
        if len(ids) > len(group):
            _spread(model, owners, group, ids)
    return found


def _spread(model: PreTrainedModel, owners: Holders, group: PruningGroup, ids: Sequence[int]) -> None:
    """Give a group these units, those that it lacks of zeros."""
    places = [ids.index(n) for n in group.ids]
    for piece in group.slices:
        index = unit_indices(piece, places, len(ids))
        old = model.get_parameter(piece.parameter)
        size = list(old.shape)
        size[piece.dim] = len(ids) * piece.width
        replace_parameter(owners, old, old.new_zeros(size).index_copy_(piece.dim, index, old))


def _scale_queries(spec: Any) -> None:
    """The scale of queries, where the loader left it to the engine, which would tell it from the stack's width."""
    unset = ctranslate2_library().specs.model_spec.OPTIONAL
    for stack in (spec.encoder, spec.decoder):
        for layer in stack.layer:
            for attention, parts in ((layer.self_attention, 3), (getattr(layer, "attention", None), 1)):
                if attention is not None and attention.queries_scale == unset:
                    size = len(attention.linear[0].weight) / parts / int(stack.num_heads)
                    attention.queries_scale = size**-0.5


def _biases(spec: Any, live: Sequence[PruningGroup], heads: Heads) -> None:
    """Every layer's own columns of its stack's table of position biases; a table of its own has no others."""
    for stack in ("encoder", "decoder"):
        own = [heads[group.name] for group in live if group.stack == stack and group.role is Role.SELF]
        for layer, ids in zip(getattr(spec, stack).layer, own, strict=False):
            table = getattr(layer.self_attention, "relative_attention_bias", None)
            if table is not None and hasattr(table, "shape") and table.shape[1] > len(ids):
                layer.self_attention.relative_attention_bias = table[:, list(ids)]


def _scale(model: PreTrainedModel, inputs: dict[str, Any]) -> Any:
    """By what the decoder's output is multiplied before the projection, told by looking; T5's configs don't agree."""
    whole: Any = model
    seen: dict[str, torch.Tensor] = {}
    with HookSet() as hooks, torch.no_grad():
        hooks.after(whole.get_decoder(), lambda _, args, output: seen.update(out=output[0]))
        hooks.before(whole.get_output_embeddings(), lambda _, args: seen.update(read=args[0]))
        whole(**inputs)
    factor = float((seen["read"] * seen["out"]).sum() / seen["out"].square().sum())
    return ctranslate2_library().specs.model_spec.OPTIONAL if abs(factor - 1) < 1e-3 else factor


def _align(config: Any, live: Sequence[PruningGroup], heads: Heads) -> None:
    """The heads by which words are timed, among those of zeros; all there are, where the loader names none of them."""
    if not getattr(config, "alignment_heads", None):
        return
    cross = [group for group in live if group.role is Role.CROSS]
    there = {
        (layer, head): [layer, heads[group.name].index(unit)]
        for layer, group in enumerate(cross)
        for head, unit in enumerate(group.ids)
    }
    listed = [there[layer, head] for layer, head in config.alignment_heads if (layer, head) in there]
    config.alignment_heads = listed or list(there.values())


def _words(words: list[str], rows: int, tokenizer: Any) -> list[str]:
    """A name of its own for every row of the table: the tokenizer's, which must mean this row to it, or a new one."""
    known = tokenizer.get_vocab()
    first = {word: place for place, word in reversed(list(enumerate(words)))}
    for word, place in first.items():
        if word in known and tokenizer.convert_tokens_to_ids(word) != place:
            raise PrunekitError(
                f"{word!r} is token {tokenizer.convert_tokens_to_ids(word)} of the tokenizer, but would be {place} for "
                "CTranslate2, which counts tokens without gaps; export the model with --to plain."
            )
    named = {place: word for word, place in first.items()}
    return [named.get(place, f"<unused_{place}>") for place in range(max(rows, len(words)))]


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
