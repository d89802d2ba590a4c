"""Plans that a stock config can express: whole layers went, or the same share of every feed-forward layer."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from prunekit.cut.layout import Layout
from prunekit.find.adapter import Adapter
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan, groups_after

Keys = dict[str, list[int]]
"""Keys of a config, each with its value in the dense model and in the cut one."""

UNSEEN = "NoOp"
"""The one override that changes no result."""


def plain_keys(
    model: PreTrainedModel,
    adapter: Adapter,
    config: PretrainedConfig,
    groups: Sequence[PruningGroup],
    plan: PruningPlan,
    layout: Layout,
) -> Keys | None:
    """The keys by which a stock config makes what `plan` left of a model, beside its depths; None if there are none.

    `model` has its final shapes already, `config` its final depths. Example: every feed-forward layer of a T5 cut from
    3072 channels to 2048 gives ``{"d_ff": [3072, 2048]}``, and a plan that only takes layers gives ``{}``.
    """
    full = {group.name: group for group in groups}
    narrower = [group for group in groups_after(groups, plan) if len(group) < len(full[group.name])]
    if any(group.kind not in (Kind.FFN, Kind.LAYERS, Kind.VOCABULARY) for group in narrower):
        return None
    if any(entry["override"] != UNSEEN for entry in layout.overrides):
        return None
    widths = {(len(full[g.name]), len(g)) for g in narrower if g.kind is Kind.FFN}
    return next((keys for keys in _candidates(config, widths) if _is_stock(model, adapter, config, keys, layout)), None)


def _candidates(config: PretrainedConfig, widths: set[tuple[int, int]]) -> Iterator[Keys]:
    """Every way to give keys that hold a dense width one of the widths that are left; none where layers differ."""
    if not widths:
        yield {}
    elif len(widths) <= 2:
        numbers = {key: value for key, value in config.to_dict().items() if type(value) is int}
        held = {key: [left for whole, left in widths if whole == value] for key, value in numbers.items()}
        ways = [[(key, numbers[key], left) for left in [None, *lefts]] for key, lefts in held.items() if lefts]
        for way in product(*ways):
            if keys := {key: [whole, left] for key, whole, left in way if left is not None}:
                yield keys


def _is_stock(model: PreTrainedModel, adapter: Adapter, config: PretrainedConfig, keys: Keys, layout: Layout) -> bool:
    """Whether the stock model of `config` with `keys` has the shapes of `model`, and the layout's attributes."""
    changed = copy.deepcopy(config)
    for key, (_, left) in keys.items():
        setattr(changed, key, left)
    stock = adapter.build(changed)
    own = {"layer_idx", *(name for stack in adapter.stacks(config) for root in stack.roots for name in root.broadcast)}
    return _shapes(stock) == _shapes(model) and all(
        _attribute(stock.get_submodule(path), name) == value
        for path, values in layout.attributes.items()
        for name, value in values.items()
        if name not in own  # a stock model numbers its layers itself, and all its heads are there
    )


def _shapes(model: nn.Module) -> Mapping[str, Any]:
    return {name: tuple(p.shape) for name, p in model.named_parameters(remove_duplicate=False)}


def _attribute(module: nn.Module, name: str) -> Any:
    """An attribute by its dotted name."""
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
