"""The shapes that a model can be pruned to: depths of the decoder, widths of the encoder, with predicted speeds."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from transformers import PreTrainedModel

from prunekit._support.progress import Progress, counting
from prunekit.cut.checkpoint import plan_of
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import Kind, PruningGroup, width_groups
from prunekit.find.plan import PruningPlan
from prunekit.latency.calibration import calibrate
from prunekit.latency.cost_model import CostModel
from prunekit.latency.timing import use_threads
from prunekit.latency.workload import InputMaker, check_workloads
from prunekit.learn.selection.size_search import prune_to_size_uniform
from prunekit.recipe import Workload

SPARSEST = 0.8
"""The largest share of the encoder's heads and channels that is offered for removal."""

STEP = 0.05
"""Between two encoder sparsities that are offered."""


@dataclass(frozen=True)
class Shape:
    """A number of decoder layers and a sparsity of the encoder; `seconds` are predicted, by section."""

    decoder_layers: int
    encoder_sparsity: float
    plan: PruningPlan
    speedup: float
    parameters: int
    seconds: dict[str, float] = field(compare=False)

    @property
    def spelled(self) -> str:
        """``3 decoder layers and 30% off the encoder``"""
        layers = "1 decoder layer" if self.decoder_layers == 1 else f"{self.decoder_layers} decoder layers"
        return f"{layers} and {self.encoder_sparsity:.0%} off the encoder"


@dataclass(frozen=True)
class Shapes:
    """The shapes of a model, and what each costs. `base` is removed in any case: tokens that a corpus lacks, say.

    Example: T5-base offers 12 x 17 shapes.
    """

    cost: CostModel
    graph: DependencyGraph
    round_to: int = 8
    base: PruningPlan = field(default_factory=PruningPlan)

    def shape(self, decoder_layers: int, encoder_sparsity: float) -> Shape:
        """The shape with so many decoder layers, any of them, and the same share of every width of the encoder.

        Raises `PrunekitError` for more layers than there are, and for a share that is none.
        """
        check_offered(self.graph, [decoder_layers], [encoder_sparsity])
        stack = decoder_layers_group(self.graph)
        plan = self.base.then(PruningPlan({stack.name: stack.ids[:decoder_layers]}) if stack else PruningPlan())
        if encoder_sparsity:
            size = self.graph.prunable_size("encoder")
            scores = {group.name: torch.zeros(len(group)) for group in self._widths()}
            plan = plan.then(
                prune_to_size_uniform(self._widths(), scores, size, size.whole * (1 - encoder_sparsity), self.round_to)
            )
        seconds = self.cost.seconds(plan)
        speedup = self.cost.total(PruningPlan()) / sum(seconds.values())
        return Shape(decoder_layers, encoder_sparsity, plan, speedup, self.graph.size.of(plan), seconds)

    @property
    def depths(self) -> list[int]:
        """The numbers of decoder layers that can be kept, most first."""
        return depths_of(self.graph)

    @property
    def sparsities(self) -> list[float]:
        """The encoder sparsities that are offered, least first; only 0 where the encoder cannot be narrowed."""
        return [round(STEP * n, 2) for n in range(round(SPARSEST / STEP) + 1)] if self._widths() else [0.0]

    def least(self, speedup: float, sparsities: Sequence[float] | None = None) -> Shape:
        """The shape with most parameters among those that reach a speed; of all sparsities, or of these.

        Of each depth the least sparsity counts that reaches it, so that neither a layer more nor a step of sparsity
        less would. Raises `PrunekitError` where none does, with the most that is possible and what limits it.
        """
        choices = sparsities or self.sparsities
        narrowest = (self._narrowest(depth, speedup, choices) for depth in self.depths)
        found = [shape for shape in narrowest if shape is not None]
        if not found:
            most = self.fastest(sparsities)
            raise PrunekitError(self.limit(speedup, most, most.speedup))
        return max(found, key=lambda shape: (shape.parameters, shape.decoder_layers))

    def fastest(self, sparsities: Sequence[float] | None = None) -> Shape:
        """The smallest shape; of all sparsities, or of these."""
        return self.shape(self.depths[-1], (sparsities or self.sparsities)[-1])

    def _narrowest(self, depth: int, speedup: float, choices: Sequence[float]) -> Shape | None:
        """The least sparsity with which so many layers are fast enough; None if none is."""
        if self.shape(depth, choices[-1]).speedup < speedup:
            return None
        low = 0
        high = len(choices) - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.shape(depth, choices[middle]).speedup >= speedup else (middle + 1, high)
        return self.shape(depth, choices[low])

    def limit(self, speedup: float, most: Shape, factor: float) -> str:
        """One sentence: a speed is out of reach, `most` is `factor` times as fast, and this limits it."""
        share = {name: seconds / sum(most.seconds.values()) for name, seconds in most.seconds.items()}
        name = max(share, key=lambda name: share[name])
        advice = {
            "head": "the output projection, which fewer tokens make faster (--vocabulary)",
            "encoder": "the encoder, which a shorter source or fewer encoder layers make faster",
            "decoder": "the last decoder layer",
            "loop": "the loop of generate and its dispatch, which no pruning makes faster",
        }[name]
        return (
            f"{speedup:g} times the speed is out of reach on this workload: {math.floor(factor * 10) / 10:g} is the "
            f"most, with {most.spelled}; {share[name]:.0%} of the time is then {advice}."
        )

    def _widths(self) -> list[PruningGroup]:
        return width_groups(self.graph.groups, "encoder")


def decoder_layers_group(graph: DependencyGraph) -> PruningGroup | None:
    """The decoder's layers; None where they cannot be pruned."""
    stacks = (g for g in graph.groups if g.kind is Kind.LAYERS and g.stack == "decoder" and g.prunable)
    return next(stacks, None)


def depths_of(graph: DependencyGraph) -> list[int]:
    """The numbers of decoder layers that can be kept, most first."""
    stack = decoder_layers_group(graph)
    return list(range(len(stack), 0, -1)) if stack else [0]


def check_offered(graph: DependencyGraph, depths: Sequence[int], sparsities: Sequence[float]) -> None:
    """Raise `PrunekitError` for more decoder layers than there are, and for a sparsity that is none."""
    offered = depths_of(graph)
    for depth in depths:
        if depth not in offered:
            raise PrunekitError(f"The decoder has {offered[0]} layers; {depth} of them cannot be kept.")
    for sparsity in sparsities:
        if not 0 <= sparsity < 1:
            raise PrunekitError(f"A sparsity is a share from 0 to below 1, not {sparsity:g}.")


def grid(shapes: Shapes, depths: Sequence[int], sparsities: Sequence[float]) -> Iterator[list[Shape]]:
    """The shapes of every depth, a row at a time."""
    for depth in depths:
        yield [shapes.shape(depth, sparsity) for sparsity in sparsities]


def calibrated_shapes(
    model: PreTrainedModel,
    adapter: Adapter,
    graph: DependencyGraph,
    workload: Workload,
    threads: int,
    sources: InputMaker,
    progress: Progress | None,
) -> Shapes:
    """The live model's shapes; `graph` describes it as it was before any pruning."""
    check_workloads(model, [workload])
    with use_threads(threads):
        tell = counting(progress, "what speed costs")
        cost = calibrate(model, adapter, graph, workload, sources=sources, progress=tell)
    return Shapes(cost, graph.after(plan_of(model) or PruningPlan()))
