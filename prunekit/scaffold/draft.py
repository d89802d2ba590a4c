"""The draft of an adapter: what building, running and tracing tiny models of a type shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from prunekit.conformance.model_under_test import ERROR_LENGTH, count_results
from prunekit.errors import error_line
from prunekit.find.adapter import Adapter, Stack
from prunekit.find.trace import build_skeleton, example_inputs, trace
from prunekit.find.validation import Component, first_only
from prunekit.scaffold.head_size import Rule, head_rule
from prunekit.scaffold.layers import Layers, find_layers
from prunekit.scaffold.roots import Evidence, Found, roots_of
from prunekit.scaffold.sizes import AUTO, ModelKind


@dataclass(frozen=True)
class Draft:
    """A first adapter, as data. Example: ``bart`` has two stacks of three roots altogether, and misses nothing.

    `gathers` are the ends of the paths of tied embeddings that are not called as BART's, `facts` what was found
    besides, `missing` what has to be added by hand. `sized` says that attentions read their own width,
    `single` that the model knows no double precision.
    """

    kind: ModelKind
    model: str
    layers: tuple[Layers, Layers]
    found: tuple[Found, Found]
    head_size: Rule | None
    gathers: tuple[str, ...]
    keep: tuple[str, ...]
    facts: Mapping[str, str]
    missing: tuple[str, ...]
    sized: bool = False
    single: bool = False

    @property
    def skeleton_sizes(self) -> dict[str, int]:
        """The sizes of a skeleton, without the vocabulary's, which every skeleton has."""
        return {key: size for key, size in self.kind.sizes("skeleton").items() if key != "vocab_size"}

    @property
    def name(self) -> str:
        """What the adapter's class is called: the config's, without its last word."""
        return self.kind.config_class.__name__.removesuffix("Config")


def draft(kind: ModelKind) -> Draft:
    """Build, run and trace tiny models of a type; raises `PrunekitError` where they have no stacks to be found."""
    missing: list[str] = []
    keep: list[str] = []
    layers = find_layers(kind, missing)
    rough = _rough(kind, layers)
    tiny = kind.build()
    evidence = _evidence(kind, rough, missing)
    found = tuple(roots_of(stack, evidence, missing, keep) for stack in evidence.stacks)
    missing += [
        f"only the first layer of {stack.path} has {name}; declare it as `first`, with the flag that says so."
        for stack in layers
        for name in first_only(list(evidence.model.get_submodule(stack.path).children()))
    ]
    return Draft(
        kind,
        type(tiny).__name__,
        layers,
        (found[0], found[1]),
        head_rule(kind, tiny, layers, (found[0], found[1]), missing),
        _gathers(tiny, layers[0]),
        tuple(dict.fromkeys(keep)),
        {"norms": _norms(tiny, layers), "ties": _ties(tiny)},
        tuple(missing),
    )


def _rough(kind: ModelKind, layers: tuple[Layers, Layers]) -> Adapter:
    """An adapter that knows the stacks, but no roots: enough to trace with."""

    class Rough(Adapter):
        auto_class = AUTO[kind.auto][0]
        skeleton_sizes = kind.sizes("skeleton")

        def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
            return tuple(Stack(each.name, each.path, depth=each.depth) for each in layers)

    return Rough()


def _evidence(kind: ModelKind, rough: Adapter, missing: list[str]) -> Evidence:
    """A skeleton, run and traced."""
    model = build_skeleton(rough, kind.config_class(**kind.tiny()))
    components: list[Component] = []
    results: dict[str, int] = {}
    if model.main_input_name != "input_ids":
        missing.append(
            f"`encoder_inputs`: the encoder takes {model.main_input_name} instead of token ids, so nothing was traced "
            "and the roots were found by their names; return random ones, as prunekit_adapters/whisper.py does."
        )
        return Evidence(model, rough.stacks(model.config), components, results)
    try:
        results = _results(rough, model)
        components = trace(rough, model).components
    except Exception as error:  # whatever a model raises at inputs or sizes that it does not take
        why = error_line(error, ERROR_LENGTH)
        missing.append(f"a tiny model could not be run and traced ({why}), so the roots were found by their names.")
    return Evidence(model, rough.stacks(model.config), components, results)


@torch.no_grad()
def _results(rough: Adapter, model: PreTrainedModel) -> dict[str, int]:
    """How many values every module returns."""
    model.train(False)
    return count_results(
        model, [path for path, _ in model.named_modules()], lambda: model(**example_inputs(rough, model))
    )


def _tables(model: PreTrainedModel) -> list[str]:
    """The paths of embeddings that share the input embedding's table."""
    table: Any = model.get_input_embeddings()
    modules = model.named_modules(remove_duplicate=False)
    return [path for path, m in modules if isinstance(m, nn.Embedding) and m.weight is table.weight]


def _gathers(model: PreTrainedModel, encoder: Layers) -> tuple[str, ...]:
    """The ends of the paths of the encoder's tied tables, unless they are called as BART's."""
    owner = f"{encoder.path.rpartition('.')[0]}."
    ends = [".".join(path.split(".")[-2:]) for path in _tables(model) if path.startswith(owner)]
    return tuple(end for end in ends if not end.endswith(Adapter.gathers))


def _norms(model: nn.Module, layers: tuple[Layers, Layers]) -> str:
    """``LayerNorm (self_attn_layer_norm, final_layer_norm)``: the norms of the decoder's layers."""
    layer = model.get_submodule(f"{layers[1].path}.0")
    named = ((name, type(module).__name__) for name, module in layer.named_modules())
    norms = {name: what for name, what in named if "norm" in what.lower()}
    return f"{', '.join(sorted(set(norms.values())))} ({', '.join(norms)})" if norms else "none"


def _ties(model: PreTrainedModel) -> str:
    """``model.shared = model.encoder.embed_tokens = lm_head``: what shares the input embedding's table."""
    live: Any = model
    head = live.get_output_embeddings()
    names = _tables(model)
    if head is not None and head.weight is live.get_input_embeddings().weight:
        names += [path for path, module in model.named_modules() if module is head]
    return " = ".join(names) if len(names) > 1 else "none"
