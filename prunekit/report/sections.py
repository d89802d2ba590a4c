"""The sections of a report, as data: what each figure is called and what it counts."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import Field, NonNegativeFloat, NonNegativeInt, SerializerFunctionWrapHandler, model_serializer

from prunekit._support.frozen import FrozenModel
from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.find.size import sparsity
from prunekit.latency.timing import Timing

PARTS = ("encoder", "decoder", "embedding", "head")


class ParametersSection(FrozenModel):
    """Counts of parameters, ties once. `by_part` is the pruned model's and sums to `pruned`."""

    dense: int
    pruned: int
    by_part: dict[str, int]
    dense_by_part: dict[str, int]

    @classmethod
    def of(cls, graph: DependencyGraph, plan: PruningPlan) -> "ParametersSection":
        """Of the model that `graph` describes, and of its cut to `plan`."""
        sizes = {part: graph.size_of(part) for part in PARTS}
        return cls(
            dense=graph.size.whole,
            pruned=graph.size.of(plan),
            by_part={part: size.of(plan) for part, size in sizes.items()},
            dense_by_part={part: size.whole for part, size in sizes.items()},
        )


class SparsitySection(FrozenModel):
    """The share of parameters that was removed, by three denominators.

    `encoder` counts the parameters of the encoder's heads and FFN channels, as NASH does; `non_embedding` both stacks;
    `total` everything. Example: ``encoder=0.31, non_embedding=0.665, total=0.67``.
    """

    encoder: float
    non_embedding: float
    total: float

    @classmethod
    def of(cls, graph: DependencyGraph, plan: PruningPlan) -> "SparsitySection":
        """Of the model that `graph` describes when it is cut to `plan`."""
        return cls(
            encoder=sparsity(graph.prunable_size("encoder"), plan),
            non_embedding=sparsity(graph.size_of("encoder", "decoder"), plan),
            total=sparsity(graph.size, plan),
        )


class LayersSection(FrozenModel):
    """Which layers are kept, by their numbers in the dense model. Example: ``decoder_kept=[0, 11]`` of 12."""

    encoder_kept: list[int]
    encoder_dense: int
    decoder_kept: list[int]
    decoder_dense: int

    @classmethod
    def of(cls, groups: Iterable[PruningGroup], plan: PruningPlan) -> "LayersSection":
        """Of the two stacks under `plan`."""
        stacks = {group.stack: group for group in groups if group.kind is Kind.LAYERS}
        kept = {f"{name}_kept": list(plan.of(group)) for name, group in stacks.items()}
        return cls.model_validate(kept | {f"{name}_dense": len(group) for name, group in stacks.items()})


class WidthsSection(FrozenModel):
    """Heads, FFN channels and hidden dimensions of the kept layers. Example: ``heads={"encoder.self": [4, 2, 0, 4]}``.

    `hidden` are the dimensions of the residual stream, of the whole model and of a narrower encoder, `tokens` is the
    size of the vocabulary. The fields with ``dense_`` hold the same counts of the dense model.
    """

    heads: dict[str, list[int]]
    ffn: dict[str, list[int]]
    dense_heads: dict[str, list[int]]
    dense_ffn: dict[str, list[int]]
    hidden: dict[str, int] = Field(default_factory=dict)
    dense_hidden: dict[str, int] = Field(default_factory=dict)
    tokens: int | None = None
    dense_tokens: int | None = None

    @classmethod
    def of(cls, groups: Iterable[PruningGroup], plan: PruningPlan) -> "WidthsSection":
        """Of the layers that `plan` keeps."""
        dense = {group.name: group for group in groups}
        pruned = groups_after(tuple(dense.values()), plan)
        before = [dense[group.name] for group in pruned]
        tokens = [(len(dense[group.name]), len(group)) for group in pruned if group.kind is Kind.VOCABULARY]
        return cls(
            heads=_widths(pruned, Kind.HEADS),
            ffn=_widths(pruned, Kind.FFN),
            dense_heads=_widths(before, Kind.HEADS),
            dense_ffn=_widths(before, Kind.FFN),
            hidden={group.name: len(group) for group in pruned if group.kind is Kind.HIDDEN},
            dense_hidden={group.name: len(group) for group in before if group.kind is Kind.HIDDEN},
            tokens=tokens[0][1] if tokens else None,
            dense_tokens=tokens[0][0] if tokens else None,
        )


def _widths(groups: Iterable[PruningGroup], kind: Kind) -> dict[str, list[int]]:
    """Units per layer, by sublayer."""
    sublayers: dict[str, dict[int, int]] = {}
    for group in groups:
        if group.kind is kind and group.layer is not None:
            sublayers.setdefault(sublayer_name(group), {})[group.layer] = len(group)
    return {name: [layers[layer] for layer in sorted(layers)] for name, layers in sublayers.items()}


def sublayer_name(group: PruningGroup) -> str:
    """The name of a sublayer without its layer's number: ``encoder.self`` of ``encoder.3.self.heads``."""
    inside = group.name.removeprefix(f"{group.stack}.{group.layer}.").removesuffix(group.kind).rstrip(".")
    return ".".join(filter(None, (group.stack, inside)))


class QualityPair(FrozenModel):
    """One metric's figure for both models."""

    dense: float
    pruned: float


class Intervals(FrozenModel):
    """Bounds of 95% of the headline scores of resampled test rows. Example: ``pruned=(0.031, 0.087)``."""

    dense: tuple[float, float]
    pruned: tuple[float, float]


class QualitySection(FrozenModel):
    """The headline metric of both models, on `examples` test rows, and `others` beside it.

    `retained` is the pruned model's share of the dense one's score, None where that is 0. `intervals` are the
    headline's, where the metric is a sum over rows. `loss` is the cross-entropy per target token in nats,
    teacher-forced: smoother than any metric of generated answers. `amounts` names metrics that are no fractions.
    """

    metric: str
    higher_is_better: bool
    dense: float
    pruned: float
    retained: float | None
    examples: NonNegativeInt
    others: dict[str, QualityPair] = Field(default_factory=dict)
    intervals: Intervals | None = None
    loss: QualityPair | None = None
    amounts: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _without_empty_amounts(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Most metrics are fractions, and their reports are those of earlier versions, byte for byte."""
        data: dict[str, Any] = serialize(self)
        return data if self.amounts else {key: value for key, value in data.items() if key != "amounts"}


class LatencySection(Timing):
    """The headline workload's timing, with those of every workload, the headline's too, in `workloads`."""

    workloads: list[Timing]

    @classmethod
    def of(cls, timings: Sequence[Timing], audio: bool = False) -> "LatencySection":
        """The first of `timings` is the headline; of models that read `audio` with real-time factors."""
        known = [timing.with_real_time() if audio else timing for timing in timings]
        return cls.model_validate({**dict(known[0]), "workloads": known})


class SecondsSection(FrozenModel):
    """Wall seconds of each stage."""

    find: NonNegativeFloat = 0.0
    learn: NonNegativeFloat = 0.0
    cut: NonNegativeFloat = 0.0
    recover: NonNegativeFloat = 0.0
    measure: NonNegativeFloat = 0.0


class SpentSection(FrozenModel):
    """The cost of learning and recovery together: training examples, as often as they were seen, and seconds.

    `cpu_seconds` are CPU seconds of the process on a CPU, wall seconds on an accelerator, by `device`. Evaluation and
    timing are not included. `before` is what the run that this one started from had spent, and those before it.
    """

    examples: NonNegativeInt = 0
    cpu_seconds: NonNegativeFloat = 0.0
    device: str = "cpu"
    before: "SpentSection | None" = None

    @property
    def in_all(self) -> "SpentSection":
        """What the model cost: this run, and all that it was started from."""
        if self.before is None:
            return self
        earlier = self.before.in_all
        seconds = self.cpu_seconds + earlier.cpu_seconds
        return SpentSection(examples=self.examples + earlier.examples, cpu_seconds=seconds, device=self.device)

    @model_serializer(mode="wrap")
    def _without_a_start(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Most runs start from the dense model, and their reports are those of earlier versions, byte for byte."""
        data: dict[str, Any] = serialize(self)
        return {key: value for key, value in data.items() if key != "before" or value is not None}


class RecoveredStage(FrozenModel):
    """A stage of recovery as it was: its steps, what stayed as it was, and by what the rate was multiplied.

    Example: ``frozen=("encoder",), steps=1092, rate=1.0``.
    """

    frozen: tuple[str, ...] = ()
    steps: NonNegativeInt
    rate: float = 1.0


class Sample(FrozenModel):
    """One test row with both models' answers. Example: "speed", "S P IY D", "S P IY D", "S P EH D"."""

    source: str
    reference: str
    dense: str
    pruned: str
