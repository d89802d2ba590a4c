"""What a generation will cost, predicted before anything is trained.

The model is linear: a section's seconds are a fixed cost plus a cost per layer, head and FFN channel, and per token of
the vocabulary. These prices belong to the machine; `calibration` fits them to timings of a few small cuts of the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.recipe import Workload

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "encoder": ("encoder.layers", "encoder.heads", "encoder.ffn"),
    "decoder": ("decoder.layers", "decoder.heads", "decoder.ffn"),
    "head": ("vocabulary",),
    "loop": ("decoder.layers", "decoder.heads", "vocabulary"),
}
"""What the seconds of each part of `generate` depend on. In the loop, beams are chosen among the tokens, and the keys
and values of every head follow the beams."""

Amounts = dict[str, float]
"""How many units a plan keeps, by stack and kind. Example: ``{"decoder.layers": 3.0, "decoder.heads": 36.0}``."""


def amounts(groups: Sequence[PruningGroup], plan: PruningPlan) -> Amounts:
    """How much a plan keeps: layers, heads and channels by stack, and tokens.

    Heads and channels count only in kept layers, and in proportion to the hidden dimensions that they read.
    Example: T5-base with 3 of 12 decoder layers has 3 ``decoder.layers``, 72 ``decoder.heads`` and 9,216
    ``decoder.ffn``.
    """
    found: Amounts = {}
    layers = {g.stack: set(plan.of(g)) for g in groups if g.kind is Kind.LAYERS}
    hidden = {g.stack: len(plan.of(g)) / len(g) for g in groups if g.kind is Kind.HIDDEN}
    share = {stack: min(hidden.get(stack, 1.0), hidden.get("", 1.0)) for stack in ("encoder", "decoder")}
    for group in groups:
        kept = float(len(plan.of(group)))
        if group.kind is Kind.LAYERS:
            found[f"{group.stack}.layers"] = kept
        elif group.kind is Kind.VOCABULARY:
            found["vocabulary"] = kept * share["decoder"]
        elif group.kind in (Kind.HEADS, Kind.FFN) and group.layer in layers.get(group.stack, {group.layer}):
            name = f"{group.stack}.{group.kind.value}"
            found[name] = found.get(name, 0.0) + kept * share.get(group.stack, 1.0)
    return found


@dataclass(frozen=True)
class CostModel:
    """The prices of one model's parts on one machine, for one workload.

    `prices` are seconds by section and amount, with ``""`` for the section's fixed cost. Example: the head of a
    T5-base costs 0.24 microseconds per token of its vocabulary and step. `noise` is the median over the probes of the
    relative standard error of their times.
    """

    workload: Workload
    prices: Mapping[str, Mapping[str, float]]
    groups: tuple[PruningGroup, ...]
    noise: float

    def seconds(self, plan: PruningPlan) -> dict[str, float]:
        """Predicted seconds of one `generate` of the model cut to `plan`, by section."""
        kept = amounts(self.groups, plan)
        return {
            section: prices[""] + sum(price * kept.get(name, 0.0) for name, price in prices.items() if name)
            for section, prices in self.prices.items()
        }

    def total(self, plan: PruningPlan) -> float:
        """Predicted seconds of one `generate` of the model cut to `plan`."""
        return sum(self.seconds(plan).values())

    def speedup(self, plan: PruningPlan) -> float:
        """How many times faster than the dense model."""
        return self.total(PruningPlan()) / self.total(plan)


def fit_sections(
    groups: Sequence[PruningGroup], seconds: Mapping[PruningPlan, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """The prices of every section, from its seconds in every probe."""
    kept = [amounts(groups, plan) for plan in seconds]
    return {
        section: fit_costs([parts[section] for parts in seconds.values()], kept, depends)
        for section, depends in SECTIONS.items()
    }


def fit_costs(seconds: Sequence[float], kept: Sequence[Amounts], depends: Sequence[str]) -> dict[str, float]:
    """Prices that give these seconds for these amounts, by least squares of relative errors; none is below zero.

    Amounts that are the same in all probes cannot be told from the fixed cost, and cost nothing.
    """
    names = ["", *(name for name in depends if len({each.get(name, 0.0) for each in kept}) > 1)]
    weights = 1 / np.maximum(np.array(seconds), 1e-9)
    while True:
        scale = {name: max(each.get(name, 0.0) for each in kept) if name else 1.0 for name in names}
        table = np.array([[each.get(name, 0.0) / scale[name] if name else 1.0 for name in names] for each in kept])
        prices = np.linalg.lstsq(table * weights[:, None], np.ones(len(seconds)), rcond=None)[0]
        if len(names) == 1 or prices.min() >= 0:
            return {"": 0.0, **{name: float(price) / scale[name] for name, price in zip(names, prices, strict=True)}}
        names.pop(int(prices.argmin()))
