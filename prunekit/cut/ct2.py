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
from transformers import PreTrainedModel

from prunekit.cut.checkpoint import dense_config, plan_of
from prunekit.cut.compile import indices
from prunekit.cut.layout import holders, put, uninstall
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph
from prunekit.find.trace import inputs_of
from prunekit.find.units import Kind, PruningGroup, PruningPlan, narrow

Heads = Mapping[str, tuple[int, ...]]
"""The heads of each attention of the live model, by their numbers in the dense one, those of zeros among them."""


def write(
    model: PreTrainedModel, adapter: Adapter, graph: DependencyGraph, tokenizer: Any, directory: Path, quantization: str
) -> list[str]:
    """Write `model` in CTranslate2's format and return its vocabulary; `graph` describes the original.

    `quantization` is one of CTranslate2's, like ``float32`` or ``int8``. Raises `PrunekitError` for architectures that
    it does not translate, and for a quantization that it does not know.
    """
    loader = _loader(model)
    live, full = narrow(graph.groups, plan_of(model) or PruningPlan()), {group.name: group for group in graph.groups}
    even = _as_read(copy.deepcopy(model))
    heads = evened(even, live, full)
    try:
        spec = loader.get_model_spec(even)
    except (AttributeError, KeyError, ValueError) as error:
        raise PrunekitError(f"CTranslate2's loader cannot read a {type(model).__name__}: {error}") from error
    for stack in ("encoder", "decoder"):
        if counts := [len(ids) for name, ids in heads.items() if name.startswith(f"{stack}.")]:
            getattr(spec, stack).num_heads = np.int16(max(counts))
    _scale_queries(spec)
    _biases(spec, heads)
    _narrow_lookups(spec, model)
    if hasattr(spec.decoder, "scale_outputs"):
        spec.decoder.scale_outputs = _scale(model, adapter)
    loader.set_config(spec.config, even, tokenizer)
    vocabulary: list[str] = loader.get_vocabulary(even, tokenizer)
    loader.set_vocabulary(spec, vocabulary)
    spec.validate()
    try:
        spec.optimize(quantization=quantization)
    except ValueError as error:
        raise PrunekitError(f"CTranslate2 refuses the quantization {quantization!r}: {error}") from error
    directory.mkdir(parents=True, exist_ok=True)
    spec.save(str(directory))
    return vocabulary


def library() -> Any:
    """CTranslate2, or one sentence on how to get it."""
    try:
        import ctranslate2
        import ctranslate2.converters.transformers
    except ImportError as error:
        raise PrunekitError("This export needs the package ctranslate2; install 'prunekit[ctranslate2]'.") from error
    return ctranslate2


def _loader(model: PreTrainedModel) -> Any:
    """CTranslate2's own loader for the model's architecture."""
    loaders = library().converters.transformers._MODEL_LOADERS
    kind = type(dense_config(model.config)).__name__
    if kind not in loaders or not hasattr(model, "get_encoder") or model.main_input_name != "input_ids":
        raise PrunekitError(f"CTranslate2 translates no models with a {kind}; export it with --to plain.")
    return loaders[kind]


@torch.no_grad()
def evened(model: PreTrainedModel, live: Sequence[PruningGroup], full: Mapping[str, PruningGroup]) -> Heads:
    """Pad every attention of `model`, in place, to the heads of the widest one of its stack; returns who they are."""
    uninstall(model)
    owners, found = holders(model), {}
    groups = [group for group in live if group.kind is Kind.HEADS]
    widest = {stack: max(len(g) for g in groups if g.stack == stack) for stack in {g.stack for g in groups}}
    for group in groups:
        spare = [n for n in full[group.name].ids if n not in group.ids]
        ids = tuple(sorted([*group.ids, *spare[: max(widest[group.stack], 1) - len(group)]]))
        found[group.name] = ids
        if len(ids) == len(group):
            continue
        places = [ids.index(n) for n in group.ids]
        for piece in group.slices:
            index = indices(piece, places, len(ids))
            old = model.get_parameter(piece.parameter)
            size = list(old.shape)
            size[piece.dim] = len(ids) * piece.width
            put(owners, old, old.new_zeros(size).index_copy_(piece.dim, index, old))
    return found


def _as_read(model: PreTrainedModel) -> PreTrainedModel:
    """The model in float32, with what the loaders of BART and its kin ask of a config, though it no longer says so."""
    whole: Any = model
    for key, norm in (("normalize_before", "layer_norm"), ("normalize_embedding", "layernorm_embedding")):
        if not hasattr(model.config, key):
            setattr(model.config, key, hasattr(whole.get_encoder(), norm))
    single: PreTrainedModel = whole.to(torch.float32)
    return single


def _scale_queries(spec: Any) -> None:
    """The scale of queries, where the loader left it to the engine, which would tell it from the stack's width."""
    unset = library().specs.model_spec.OPTIONAL
    for stack in (spec.encoder, spec.decoder):
        for layer in stack.layer:
            for attention, parts in ((layer.self_attention, 3), (getattr(layer, "attention", None), 1)):
                if attention is not None and attention.queries_scale == unset:
                    size = len(attention.linear[0].weight) / parts / int(stack.num_heads)
                    attention.queries_scale = size**-0.5


def _biases(spec: Any, heads: Heads) -> None:
    """Every layer's own columns of its stack's table of position biases; a table of its own has no others."""
    for stack in ("encoder", "decoder"):
        own = [ids for name, ids in heads.items() if name.startswith(f"{stack}.") and ".self." in name]
        for layer, ids in zip(getattr(spec, stack).layer, own, strict=False):
            table = getattr(layer.self_attention, "relative_attention_bias", None)
            if table is not None and hasattr(table, "shape") and table.shape[1] > len(ids):
                layer.self_attention.relative_attention_bias = table[:, list(ids)]


def _narrow_lookups(spec: Any, model: PreTrainedModel) -> None:
    """A narrower encoder's own columns of the tables that it shares with the decoder."""
    whole: Any = model
    layout = whole.config.prunekit["layout"]
    quirks = {entry["module"]: entry["index"] for entry in layout["quirks"] if entry["quirk"] == "GathersOutput"}
    names = {id(module): name for name, module in model.named_modules()}
    encoder = whole.get_encoder()
    for attribute, place in (("embed_tokens", spec.encoder.embeddings[0]), ("embed_positions", None)):
        module = getattr(encoder, attribute, None)
        index = quirks.get(names.get(id(module), ""))
        if index is not None and place is not None:
            place.weight = place.weight[:, index]
        elif index is not None:
            spec.encoder.position_encodings.encodings = spec.encoder.position_encodings.encodings[:, index]


def _scale(model: PreTrainedModel, adapter: Adapter) -> Any:
    """By what the decoder's output is multiplied before the projection, told by looking; T5's configs don't agree."""
    whole: Any = model
    seen: dict[str, torch.Tensor] = {}
    hooks = (
        whole.get_decoder().register_forward_hook(lambda _, args, output: seen.update(out=output[0])),
        whole.get_output_embeddings().register_forward_pre_hook(lambda _, args: seen.update(read=args[0])),
    )
    try:
        with torch.no_grad():
            whole(**inputs_of(adapter, model))
    finally:
        for hook in hooks:
            hook.remove()
    factor = float((seen["read"] * seen["out"]).sum() / seen["out"].square().sum())
    return library().specs.model_spec.OPTIONAL if abs(factor - 1) < 1e-3 else factor
