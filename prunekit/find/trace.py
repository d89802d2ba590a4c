"""Which dimensions of which parameters must be cut together: torch-pruning's graph, read on a skeleton."""

import logging
import warnings
from collections.abc import Iterator
from typing import Any

import torch
import torch_pruning as tp
from torch import nn
from transformers import PreTrainedModel

from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter

Node = tuple[str, int]
"""One dimension of one parameter: ``("encoder.block.0.layer.0.SelfAttention.q.weight", 0)``."""


def trace(adapter: Adapter, model: PreTrainedModel) -> list[frozenset[Node]]:
    """The coupled dimensions of `model`, which should be small and lie on the CPU; its own state is left as it was.

    torch-pruning follows autograd, so a frozen parameter ends the trail: that is how the adapter's `cuts` are made, and
    why every other parameter must require gradients here. Only membership is read; its index mapping is not used.
    """
    frozen = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    training = model.training
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not any(cut in name for cut in adapter.cuts))
    try:
        model.train(False)
        groups = list(_groups(adapter, model))
    finally:
        model.train(training)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(frozen[name])
    if len(groups) < 2:
        name = type(model).__name__
        raise PrunekitError(f"Tracing {name} found no couplings; does its forward pass run under no_grad?")
    return groups


def _groups(adapter: Adapter, model: PreTrainedModel) -> Iterator[frozenset[Node]]:
    graph = tp.DependencyGraph()
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.captureWarnings(False)
        graph.build_dependency(
            model, _inputs(adapter, model), output_transform=lambda output: output.logits, verbose=False
        )
        names = {id(p): name for name, p in model.named_parameters()}
        modules = {id(m): name for name, m in model.named_modules()}
        for group in graph.get_all_groups(root_module_types=[nn.Linear, nn.Conv1d]):
            nodes: set[Node] = set()
            for item in group.items:
                nodes.update(_nodes(item.dep, names, modules))
            yield frozenset(nodes)


def _inputs(adapter: Adapter, model: PreTrainedModel) -> dict[str, Any]:
    ids = torch.tensor([[3, 4, 5, 6]])
    return {**adapter.encoder_inputs(model.config, 1), "decoder_input_ids": ids, "use_cache": False}


def _nodes(dep: Any, names: dict[int, str], modules: dict[int, str]) -> Iterator[Node]:
    """The parameter dimensions behind one entry of a torch-pruning group; operations without parameters have none."""
    target = dep.target.module
    if isinstance(target, nn.Parameter):
        yield names[id(target)], target.dim() - 1
    elif id(target) in modules and (weight := getattr(target, "weight", None)) is not None:
        name = modules[id(target)]
        inputs = dep.handler.__name__ == "prune_in_channels"
        if isinstance(target, nn.Embedding):
            yield f"{name}.weight", 1
        else:
            yield f"{name}.weight", 1 if inputs and weight.dim() > 1 else 0
            if getattr(target, "bias", None) is not None and (not inputs or weight.dim() == 1):
                yield f"{name}.bias", 0
