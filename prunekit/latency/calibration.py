"""Calibrates a cost model: times a few small cuts of a model on this machine, and fits prices to their seconds.

None of the cuts (`probe_plans`) is a shape that anybody asks for, and all those are between them.
"""

import statistics
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice

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
from prunekit.latency.breakdown import section_seconds
from prunekit.latency.clocks import Clock, clock_for
from prunekit.latency.cost_model import SECTIONS, CostModel, fit_sections
from prunekit.latency.interleave import (
    PRECISION,
    CallCounter,
    InterleavedTimes,
    interleave,
    standard_error,
    trimmed_mean,
)
from prunekit.latency.workload import InputMaker, make_inputs, random_text
from prunekit.recipe import Workload

PROBE_LAYERS = 3
"""Layers of the probes that lack one kind of unit: enough that the difference shows, few enough to be fast."""

PROBE_SHARE = 4
"""A narrowed probe keeps one unit in so many: most plans keep more, so that prices are interpolated for them."""

LONG_GENERATION = 16
"""Longer generations than this are extrapolated from two shorter ones."""

CALIBRATION_SECONDS = 20.0
"""Seconds after which the repeats that were asked for are enough."""


def probe_plans(groups: Sequence[PruningGroup], required_tokens: Collection[int] = ()) -> list[PruningPlan]:
    """The shapes to time: dense, one layer, a few layers, those narrowed, and all encoder layers narrowed.

    Heads, channels and tokens are narrowed in turn; `required_tokens` are those, by number, that a model cannot do
    without. The last is the fastest shape that anybody would ask for, so that nothing is extrapolated.
    """
    stacks = [g for g in groups if g.kind is Kind.LAYERS and g.prunable]
    few_layers = PruningPlan({g.name: g.ids[:PROBE_LAYERS] for g in stacks})
    plans = [PruningPlan(), PruningPlan({g.name: g.ids[:1] for g in stacks}), few_layers]
    required: dict[Kind, Collection[int]] = {Kind.HEADS: (), Kind.FFN: (), Kind.VOCABULARY: required_tokens}
    narrowed = {
        kind: PruningPlan({g.name: _narrow(g, units) for g in groups if g.kind is kind and g.prunable})
        for kind, units in required.items()
    }
    plans += [few_layers.then(plan) for plan in narrowed.values() if plan.kept]
    one_decoder_layer = PruningPlan({g.name: g.ids[:1] for g in stacks if g.stack == "decoder"})
    plans.append(one_decoder_layer.then(narrowed[Kind.HEADS]).then(narrowed[Kind.FFN]))
    return list(dict.fromkeys(plans))


def _narrow(group: PruningGroup, required: Collection[int]) -> tuple[int, ...]:
    """One unit in `PROBE_SHARE`: the `required` ones, by position, and the first of the others.

    Channels are rounded up to a multiple of 8, which processors like, where there are enough of them.
    """
    count = -(-len(group) // PROBE_SHARE)
    count = max(-(-count // 8) * 8 if count > 8 else count, len(required))
    others = (position for position in range(len(group)) if position not in required)
    kept = {*required, *islice(others, count - len(required))}
    return tuple(group.ids[position] for position in sorted(kept))


def calibrate(
    model: PreTrainedModel,
    adapter: Adapter,
    graph: DependencyGraph,
    workload: Workload,
    repeats: int = 3,
    sources: InputMaker = random_text,
    progress: StageProgress | None = None,
) -> CostModel:
    """Time the probes, interleaved, and fit the prices. `graph` describes the model as it was before any pruning.

    There are `repeats` rounds at least, and more for `CALIBRATION_SECONDS` where the times differ too much. CPU
    seconds on a CPU, wall seconds elsewhere, on as many threads as torch uses. `model` is left unchanged; beside it,
    cuts of it are held in memory, each of `PROBE_LAYERS` layers at most or with a narrow encoder.
    """
    groups = tuple(groups_after(graph.groups, plan_of(model) or PruningPlan()))
    plans = probe_plans(groups, token_ids_in_configs(model, {}))
    models = {plan: cut_copy(model, plan, adapter, graph) for plan in plans}
    lengths = _lengths(workload)
    inputs = make_inputs(list(models.values()), sources, workload, 0)
    with ExitStack() as modes:
        clock = modes.enter_context(clock_for(model.device, torch.get_num_threads()))
        for small in models.values():
            modes.enter_context(evaluation_mode(small))
        probes = {
            (plan, run.new_tokens): _Probe(small, inputs, run, clock)
            for plan, small in models.items()
            for run in lengths
        }
        times, typical = _time_probes(probes, repeats, clock, progress)
    seconds = {
        plan: _at_length({run.new_tokens: typical[plan, run.new_tokens] for run in lengths}, workload.new_tokens)
        for plan in plans
    }
    return CostModel(workload, fit_sections(groups, seconds), groups, _noise(times))


_ProbeKey = tuple[PruningPlan, int]
"""A plan, and the number of new tokens of a run."""


def _time_probes(
    probes: Mapping[_ProbeKey, "_Probe"], repeats: int, clock: Clock, progress: StageProgress | None
) -> tuple[InterleavedTimes, dict[_ProbeKey, dict[str, float]]]:
    """The times of whole runs, and the typical seconds of every section of each."""
    names = {f"{number} {key[1]}": key for number, key in enumerate(probes)}
    calls = {name: probes[key] for name, key in names.items()}
    counter = CallCounter(progress, len(calls) * (1 + repeats))
    for call in calls.values():
        call.run()
        counter.advance()
    times = interleave(calls, repeats, clock, counter.advance, _is_precise, CALIBRATION_SECONDS)
    return times, {key: probes[key].typical(times.factors[name]) for name, key in names.items()}


def _lengths(workload: Workload) -> list[Workload]:
    """The generations to time: the workload's own, or two shorter ones on whose line a long one lies."""
    if workload.new_tokens <= LONG_GENERATION:
        return [workload]
    return [workload.model_copy(update={"new_tokens": count}) for count in (LONG_GENERATION // 4, LONG_GENERATION)]


class _Probe:
    """A small cut of the model that generates whenever it is called, and keeps the seconds of every section."""

    def __init__(self, model: PreTrainedModel, inputs: dict[str, Tensor], run: Workload, clock: Clock):
        self.run = partial(section_seconds, model, inputs, run, 1, clock)
        self.calls: list[dict[str, float]] = []

    def __call__(self) -> None:
        self.calls.append(self.run())

    def typical(self, factors: Sequence[float]) -> dict[str, float]:
        """The trimmed mean of every section's seconds, corrected for the core's pace by a factor for each call."""
        calls = list(zip(self.calls, factors, strict=True))
        return {name: trimmed_mean([parts[name] * factor for parts, factor in calls]) for name in SECTIONS}


def _at_length(seconds: Mapping[int, Mapping[str, float]], new_tokens: int) -> dict[str, float]:
    """Seconds by section of a generation of so many tokens, on the line through the shortest and the longest timed."""
    first = min(seconds)
    last = max(seconds)
    share = (new_tokens - first) / (last - first) if last > first else 0.0
    return {name: seconds[first][name] + share * (seconds[last][name] - seconds[first][name]) for name in SECTIONS}


def _noise(times: InterleavedTimes) -> float:
    """The median over probes and lengths of the relative standard error of a whole run's time."""
    return statistics.median(standard_error(each) / trimmed_mean(each) for each in times.corrected.values())


def _is_precise(times: InterleavedTimes) -> bool:
    """Whether whole runs are known well enough to fit prices to."""
    return _noise(times) <= PRECISION
