"""A pruned model in its stock architecture: zeros where heads and channels went, fewer layers as they are."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from prunekit.cut.checkpoint import dense_config, plan_of
from prunekit.cut.layout_compiler import cut_config, unit_indices
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import Kind, PruningGroup, Role, groups_by_role, layers_group
from prunekit.find.plan import PruningPlan, groups_after


def padded_model(model: PreTrainedModel, adapter: Adapter, graph: DependencyGraph) -> PreTrainedModel:
    """A stock model that computes what a pruned one does, with the dense widths and the layers that are left.

    `graph` describes the original. A head of zeros adds nothing to its attention's output, nor a channel of zeros to
    its feed-forward layer's, so only the dropped layers make the result faster. Raises `PrunekitError` where hidden
    dimensions went: norms take their mean over all of them.
    """
    plan = plan_of(model) or PruningPlan()
    said = (Kind.LAYERS, Kind.VOCABULARY)  # by a stock config
    layers = PruningPlan({group.name: plan.of(group) for group in graph.groups if group.kind in said})
    groups = groups_after(graph.groups, layers)
    if gone := [g.name for g in groups if g.kind is Kind.HIDDEN and len(plan.of(g)) < len(g)]:
        raise PrunekitError(
            f"{gone[0]} is narrower than in the dense model, which zeros cannot stand for: norms average over it; "
            "a plain export needs a plan that keeps all hidden dimensions."
        )
    config = cut_config(adapter, dense_config(model.config), graph.groups, plan)
    stock: Any = adapter.build(config, "cpu")
    untie_like(stock, model)
    stock.to(model.dtype)
    _fill(stock, model, _places(groups, plan))
    stock.generation_config = _aligned(model, adapter, groups, plan)
    result: PreTrainedModel = stock.eval()
    return result


Places = Mapping[str, dict[int, torch.Tensor]]
"""Where along a dimension of a parameter the kept indices lie, for those that are narrower."""


def _places(groups: Sequence[PruningGroup], plan: PruningPlan) -> Places:
    found: dict[str, dict[int, torch.Tensor]] = {}
    for group in groups:
        if len(kept := plan.of(group)) == len(group):
            continue
        positions = group.positions(kept)
        for piece in group.slices:
            found.setdefault(piece.parameter, {})[piece.dim] = unit_indices(piece, positions, len(group))
    return found


@torch.no_grad()
def _fill(stock: PreTrainedModel, model: PreTrainedModel, places: Places) -> None:
    """Every tensor of `model` into that of the same name, spread over its places, with zeros between."""
    live = {**dict(model.named_parameters(remove_duplicate=False)), **dict(model.named_buffers())}
    whole = {**dict(stock.named_parameters(remove_duplicate=False)), **dict(stock.named_buffers())}
    for name, target in whole.items():
        source = live[name].to(target.device)
        if source.shape == target.shape:
            target.copy_(source)
            continue
        target.zero_()
        wide = [places[name].get(dim, torch.arange(size)) for dim, size in enumerate(target.shape)]
        target[torch.meshgrid(*wide, indexing="ij")] = source


def _aligned(model: PreTrainedModel, adapter: Adapter, groups: Sequence[PruningGroup], plan: PruningPlan) -> Any:
    """The generation config, whose lists of [decoder layer, head] speak of the dense heads again."""
    own: Any = copy.deepcopy(model.generation_config)
    attentions = groups_by_role(groups)
    layers = plan.of(layers_group(groups, "decoder"))
    for key in adapter.alignment:
        pairs = []
        for position, head in getattr(own, key, None) or ():
            group = attentions.get(("decoder", layers[position], Role.CROSS))
            pairs.append([position, plan.of(group)[head] if group else head])
        if pairs:
            setattr(own, key, pairs)
    return own


def untie_like(stock: nn.Module, live: nn.Module) -> None:
    """Give every parameter of `stock` that is tied there and not in `live` a value of its own."""
    own = dict(live.named_parameters(remove_duplicate=False))
    first: dict[int, str] = {}
    for name, parameter in list(stock.named_parameters(remove_duplicate=False)):
        other = first.setdefault(id(parameter), name)
        if other != name and own[name] is not own[other]:
            path, _, leaf = name.rpartition(".")
            setattr(stock.get_submodule(path), leaf, nn.Parameter(torch.empty_like(parameter)))
