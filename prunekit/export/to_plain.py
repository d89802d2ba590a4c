"""A pruned model in its stock architecture: zeros for removed heads and channels, dropped layers left out."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from prunekit.cut.checkpoint import dense_config, plan_of
from prunekit.cut.layout_compiler import cut_config, unit_indices
from prunekit.cut.ties import untie_like
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import Kind, PruningGroup, Role, groups_by_role, layers_group
from prunekit.find.plan import PruningPlan, groups_after


def padded_model(model: PreTrainedModel, adapter: Adapter, graph: DependencyGraph) -> PreTrainedModel:
    """A stock model that computes what a pruned one does, with the dense widths and the kept layers.

    `graph` describes the original. A head of zeros adds nothing to its attention's output, nor a channel of zeros to
    its feed-forward layer's, so only the dropped layers make the result faster. Raises `PrunekitError` where hidden
    dimensions were removed: norms take their mean over all of them.
    """
    plan = plan_of(model) or PruningPlan()
    groups = _without_layers_and_tokens(graph, plan)
    narrower = [g.name for g in groups if g.kind is Kind.HIDDEN and len(plan.of(g)) < len(g)]
    if narrower:
        raise PrunekitError(
            f"{narrower[0]} is narrower than in the dense model, which zeros cannot stand for: norms average over it; "
            "a plain export needs a plan that keeps all hidden dimensions."
        )
    config = cut_config(adapter, dense_config(model.config), graph.groups, plan)
    stock: Any = adapter.build(config, "cpu")
    untie_like(stock, model)
    stock.to(model.dtype)
    _fill(stock, model, _kept_indices(groups, plan))
    stock.generation_config = _with_dense_heads(model, adapter, groups, plan)
    result: PreTrainedModel = stock.eval()
    return result


def _without_layers_and_tokens(graph: DependencyGraph, plan: PruningPlan) -> Sequence[PruningGroup]:
    """The groups of the dense model after what a stock config can express: fewer layers, fewer tokens."""
    expressed = (Kind.LAYERS, Kind.VOCABULARY)
    kept = {group.name: plan.of(group) for group in graph.groups if group.kind in expressed}
    return groups_after(graph.groups, PruningPlan(kept))


KeptIndices = Mapping[str, dict[int, torch.Tensor]]
"""Where along a dimension of a dense parameter the kept indices lie, for those that are narrower."""


def _kept_indices(groups: Sequence[PruningGroup], plan: PruningPlan) -> KeptIndices:
    found: dict[str, dict[int, torch.Tensor]] = {}
    for group in groups:
        kept = plan.of(group)
        if len(kept) < len(group):
            positions = group.positions(kept)
            for piece in group.slices:
                found.setdefault(piece.parameter, {})[piece.dim] = unit_indices(piece, positions, len(group))
    return found


@torch.no_grad()
def _fill(stock: PreTrainedModel, model: PreTrainedModel, kept: KeptIndices) -> None:
    """Copy every tensor of `model` into that of the same name, spread over the kept indices, with zeros between."""
    live = {**dict(model.named_parameters(remove_duplicate=False)), **dict(model.named_buffers())}
    whole = {**dict(stock.named_parameters(remove_duplicate=False)), **dict(stock.named_buffers())}
    for name, target in whole.items():
        source = live[name].to(target.device)
        if source.shape == target.shape:
            target.copy_(source)
            continue
        target.zero_()
        wide = [kept[name].get(dim, torch.arange(size)) for dim, size in enumerate(target.shape)]
        target[torch.meshgrid(*wide, indexing="ij")] = source


def _with_dense_heads(
    model: PreTrainedModel, adapter: Adapter, groups: Sequence[PruningGroup], plan: PruningPlan
) -> Any:
    """The generation config, whose lists of [decoder layer, head] number the dense heads again."""
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
