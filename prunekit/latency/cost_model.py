"""What a generation will cost, before anything is trained: calibrated in seconds on a few small cuts of the model.

A section's seconds are taken to be linear in what is left of it: so much for being there at all, for each layer, head
and FFN channel, for each token of the vocabulary. These prices are the machine's: they are solved for from timings of
the dense model and of a few cuts of it (`probes`), none of which is a shape that anybody asks about.
"""

import statistics
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunekit._support.modes import evaluation_mode
from prunekit._support.progress import StageProgress
from prunekit.cut.checkpoint import plan_of
from prunekit.cut.surgery import cut_copy
from prunekit.cut.token_ids import token_ids_in_configs
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.latency.breakdown import model_sections
from prunekit.latency.clocks import Clock, clock_for
from prunekit.latency.interleave import PRECISION, InterleavedTimes, Steps, interleave, standard_error, trimmed_mean
from prunekit.latency.workload import Inputs, made_for, random_text
from prunekit.recipe import Workload

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "encoder": ("encoder.layers", "encoder.heads", "encoder.ffn"),
    "decoder": ("decoder.layers", "decoder.heads", "decoder.ffn"),
    "head": ("vocabulary",),
    "loop": ("decoder.layers", "decoder.heads", "vocabulary"),
}
"""What the seconds of each part of `generate` depend on. In the loop, beams are chosen among the tokens, and the keys
and values of every head follow the beams."""

DEEP = 3
"""Layers of the cuts that lack one kind of unit: enough that a cut's difference shows, few enough to be fast."""

THIN = 4
"""What is thinned keeps one unit in so many: most plans keep more, so that prices are interpolated for them."""

LONG = 16
"""New tokens from which on two shorter generations stand for a long one."""

PATIENCE = 20.0
"""Seconds after which the repeats that were asked for are enough."""

Amounts = dict[str, float]


def amounts(groups: Sequence[PruningGroup], plan: PruningPlan) -> Amounts:
    """How much a plan leaves: layers, heads and channels by stack, and tokens.

    Heads and channels count only in layers that stay, and as much as there are hidden dimensions left for them to read.
    Example: T5-base with 3 of 12 decoder layers has 3 ``decoder.layers``, 72 ``decoder.heads`` and 9,216
    ``decoder.ffn``.
    """
    found: Amounts = {}
    layers = {g.stack: set(plan.of(g)) for g in groups if g.kind is Kind.LAYERS}
    hidden = {g.stack: len(plan.of(g)) / len(g) for g in groups if g.kind is Kind.HIDDEN}
    share = {stack: min(hidden.get(stack, 1.0), hidden.get("", 1.0)) for stack in ("encoder", "decoder")}
    for group in groups:
        left = float(len(plan.of(group)))
        if group.kind is Kind.LAYERS:
            found[f"{group.stack}.layers"] = left
        elif group.kind is Kind.VOCABULARY:
            found["vocabulary"] = left * share["decoder"]
        elif group.kind in (Kind.HEADS, Kind.FFN) and group.layer in layers.get(group.stack, {group.layer}):
            name = f"{group.stack}.{group.kind.value}"
            found[name] = found.get(name, 0.0) + left * share.get(group.stack, 1.0)
    return found


@dataclass(frozen=True)
class CostModel:
    """The prices of one model's parts on one machine, for one workload.

    `noise` is the median over the probes of the standard error of what was timed, as a share of that.

    `prices` are seconds by section and amount, with ``""`` for the section's being there. Example: the head of a
    T5-base costs 0.24 microseconds per token of its vocabulary and step.
    """

    workload: Workload
    prices: Mapping[str, Mapping[str, float]]
    groups: tuple[PruningGroup, ...]
    noise: float

    def seconds(self, plan: PruningPlan) -> dict[str, float]:
        """What one `generate` of the model that `plan` leaves will take, by section."""
        left = amounts(self.groups, plan)
        return {
            section: prices[""] + sum(price * left.get(name, 0.0) for name, price in prices.items() if name)
            for section, prices in self.prices.items()
        }

    def total(self, plan: PruningPlan) -> float:
        """The same in all."""
        return sum(self.seconds(plan).values())

    def speedup(self, plan: PruningPlan) -> float:
        """How many times faster than the dense model."""
        return self.total(PruningPlan()) / self.total(plan)


def probes(groups: Sequence[PruningGroup], stay: Collection[int] = ()) -> list[PruningPlan]:
    """The shapes that are timed: dense, one layer, a few layers, those thinned, and a thin encoder of all layers.

    Heads, channels and tokens are thinned in turn; `stay` are the tokens, by number, that a model cannot do without.
    The last is the fastest shape that anybody would ask for: between it and the dense model nothing is extrapolated.
    """
    stacks = [g for g in groups if g.kind is Kind.LAYERS and g.prunable]
    deep = PruningPlan({g.name: g.ids[:DEEP] for g in stacks})
    found = [PruningPlan(), PruningPlan({g.name: g.ids[:1] for g in stacks}), deep]
    kinds = (Kind.HEADS, Kind.FFN, Kind.VOCABULARY)
    thinned = [
        PruningPlan({g.name: _thin(g, needed) for g in groups if g.kind is kind and g.prunable})
        for kind, needed in zip(kinds, ((), (), stay), strict=True)
    ]
    found += [deep.then(thin) for thin in thinned if thin.kept]
    short = PruningPlan({g.name: g.ids[:1] for g in stacks if g.stack == "decoder"})
    found.append(short.then(thinned[0]).then(thinned[1]))
    return list(dict.fromkeys(found))


def _thin(group: PruningGroup, stay: Collection[int]) -> tuple[int, ...]:
    """One unit in `THIN`, the first of them but for those that must stay, by position.

    Of channels so many that processors like the number, where there are enough.
    """
    left = -(-len(group) // THIN)
    left = max(-(-left // 8) * 8 if left > 8 else left, len(stay))
    others = (position for position in range(len(group)) if position not in stay)
    kept = {*stay, *islice(others, left - len(stay))}
    return tuple(group.ids[position] for position in sorted(kept))


def calibrate(
    model: PreTrainedModel,
    adapter: Adapter,
    graph: DependencyGraph,
    workload: Workload,
    repeats: int = 3,
    sources: Inputs = random_text,
    progress: StageProgress | None = None,
) -> CostModel:
    """Time the probes in turns, and solve for the prices. `graph` describes the model as it was before any pruning.

    There are `repeats` turns at least, and more for `PATIENCE` seconds where they differ too much.
    CPU seconds on a CPU, wall seconds elsewhere, on as many threads as torch uses. The model stays as it is; beside
    it there are cuts of it in memory, each of `DEEP` layers at most or of a thin encoder.
    """
    before = plan_of(model) or PruningPlan()
    groups = tuple(groups_after(graph.groups, before))
    plans, runs = probes(groups, token_ids_in_configs(model, {})), _lengths(workload)
    models = [cut_copy(model, plan, adapter, graph) for plan in plans]
    inputs = made_for(models, sources, workload, 0)
    with ExitStack() as modes:
        clock = modes.enter_context(clock_for(model.device, torch.get_num_threads()))
        for small in models:
            modes.enter_context(evaluation_mode(small))
        calls = {
            f"{at} {run.new_tokens}": _Probe(small, inputs, run, clock)
            for at, small in enumerate(models)
            for run in runs
        }
        steps = Steps(progress, len(calls) * (1 + repeats))
        for call in calls.values():
            call.once()
            steps.advance()
        turns = interleave(calls, repeats, clock, steps.advance, _priced, PATIENCE)
    found = [call.typical(turns.factors[name]) for name, call in calls.items()]
    whole = [_stretched(found[at : at + len(runs)], runs, workload) for at in range(0, len(found), len(runs))]
    left = [amounts(groups, plan) for plan in plans]
    prices = {name: solved([each[name] for each in whole], left, depends) for name, depends in SECTIONS.items()}
    return CostModel(workload, prices, groups, _noise(turns))


def _lengths(workload: Workload) -> list[Workload]:
    """The generations to time: the workload's own, or two shorter ones on whose line a long one lies."""
    if workload.new_tokens <= LONG:
        return [workload]
    return [workload.model_copy(update={"new_tokens": count}) for count in (LONG // 4, LONG)]


class _Probe:
    """A small cut of the model that generates whenever it is called, and keeps the seconds of every section."""

    def __init__(self, model: PreTrainedModel, inputs: dict[str, Tensor], run: Workload, clock: Clock):
        self.once = partial(model_sections, model, inputs, run, 1, clock)
        self.calls: list[dict[str, float]] = []

    def __call__(self) -> None:
        self.calls.append(self.once())

    def typical(self, factors: Sequence[float]) -> dict[str, float]:
        """A section's seconds in the middle of the turns, freed from the core's pace by a factor for each."""
        calls = list(zip(self.calls, factors, strict=True))
        return {name: trimmed_mean([parts[name] * factor for parts, factor in calls]) for name in SECTIONS}


def _stretched(found: Sequence[dict[str, float]], runs: Sequence[Workload], workload: Workload) -> dict[str, float]:
    """Seconds by section on a line through the shortest and the longest generation to the workload's."""
    short, long, first, last = found[0], found[-1], runs[0].new_tokens, runs[-1].new_tokens
    share = (workload.new_tokens - first) / (last - first) if last > first else 0.0
    return {name: short[name] + share * (long[name] - short[name]) for name in SECTIONS}


def _noise(turns: InterleavedTimes) -> float:
    """The median over probes and lengths of the standard error of a total, relative to that."""
    return statistics.median(standard_error(each) / trimmed_mean(each) for each in turns.headline.values())


def _priced(turns: InterleavedTimes) -> bool:
    """Whether the totals are known well enough to solve for prices."""
    return _noise(turns) <= PRECISION


def solved(seconds: Sequence[float], left: Sequence[Amounts], depends: Sequence[str]) -> dict[str, float]:
    """Prices that give these seconds for these amounts, by least squares of relative errors; none is below zero.

    Amounts that are the same in all probes cannot be told from the section's being there, and cost nothing.
    """
    names = ["", *(name for name in depends if len({each.get(name, 0.0) for each in left}) > 1)]
    weights = 1 / np.maximum(np.array(seconds), 1e-9)
    while True:
        scale = {name: max(each.get(name, 0.0) for each in left) if name else 1.0 for name in names}
        table = np.array([[each.get(name, 0.0) / scale[name] if name else 1.0 for name in names] for each in left])
        found = np.linalg.lstsq(table * weights[:, None], np.ones(len(seconds)), rcond=None)[0]
        if len(names) == 1 or found.min() >= 0:
            return {"": 0.0, **{name: float(price) / scale[name] for name, price in zip(names, found, strict=True)}}
        names.pop(int(found.argmin()))
