"""Plans that a stock config can express: whole layers dropped, or the same share of every feed-forward layer."""

import copy
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from prunekit.cut.layout import Layout
from prunekit.cut.live_plan import LivePlan
from prunekit.cut.module_overrides import NoOp
from prunekit.find.adapter import Adapter
from prunekit.find.groups import Kind

StockKeys = dict[str, list[int]]
"""Keys of a config, each with its value in the dense model and in the cut one."""


def stock_keys(
    model: PreTrainedModel, adapter: Adapter, config: PretrainedConfig, live: LivePlan, layout: Layout
) -> StockKeys | None:
    """The keys by which a stock config describes a cut model, beside its depths; None if no stock config can.

    `model` has its final shapes already, `config` its final depths. Example: every feed-forward layer of a T5 cut from
    3072 channels to 2048 gives ``{"d_ff": [3072, 2048]}``, and a plan that only drops layers gives ``{}``.
    """
    narrowed = list(live.narrowed())
    if any(kept.kind not in (Kind.FFN, Kind.LAYERS, Kind.VOCABULARY) for _, kept in narrowed):
        return None
    if not all(isinstance(override, NoOp) for override in layout.overrides):  # the one that changes no result
        return None
    widths = {(len(original), len(kept)) for original, kept in narrowed if kept.kind is Kind.FFN}
    return next((keys for keys in _candidates(config, widths) if _is_stock(model, adapter, config, keys, layout)), None)


def _candidates(config: PretrainedConfig, widths: set[tuple[int, int]]) -> Iterator[StockKeys]:
    """Every way to give keys that hold a dense width one of the kept widths; none where layers differ."""
    if not widths:
        yield {}
    elif len(widths) <= 2:
        numbers = {key: value for key, value in config.to_dict().items() if type(value) is int}
        held = {key: [kept for whole, kept in widths if whole == value] for key, value in numbers.items()}
        ways = [[(key, numbers[key], kept) for kept in [None, *found]] for key, found in held.items() if found]
        for way in product(*ways):
            keys = {key: [whole, kept] for key, whole, kept in way if kept is not None}
            if keys:
                yield keys


def _is_stock(
    model: PreTrainedModel, adapter: Adapter, config: PretrainedConfig, keys: StockKeys, layout: Layout
) -> bool:
    """Whether the stock model of `config` with `keys` has the shapes of `model`, and the layout's attributes."""
    changed = copy.deepcopy(config)
    for key, (_, kept) in keys.items():
        setattr(changed, key, kept)
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
