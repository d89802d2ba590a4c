"""The parts of a report, as data: what each figure is called and what it counts."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt

from prunekit.find.graph import DependencyGraph
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.find.size import sparsity
from prunekit.latency.timing import Timing
from prunekit.recipe import Workload

PARTS = ("encoder", "decoder", "embedding", "head")


class ReportSection(BaseModel):
    """A part of a report: exactly its fields, which never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ParametersSection(ReportSection):
    """Counts of parameters, ties once. `by_part` is the pruned model's and sums to `pruned`."""

    dense: int
    pruned: int
    by_part: dict[str, int]
    dense_by_part: dict[str, int]

    @classmethod
    def of(cls, graph: DependencyGraph, plan: PruningPlan) -> "ParametersSection":
        """What `plan` leaves of the model behind `graph`."""
        sizes = {part: graph.size_of(part) for part in PARTS}
        return cls(
            dense=graph.size.whole,
            pruned=graph.size.of(plan),
            by_part={part: size.of(plan) for part, size in sizes.items()},
            dense_by_part={part: size.whole for part, size in sizes.items()},
        )


class SparsitySection(ReportSection):
    """The share of parameters that went, by three denominators.

    `encoder` counts what heads and FFN channels own in the encoder, as NASH does; `non_embedding` both stacks; `total`
    everything.
    """

    encoder: float
    non_embedding: float
    total: float

    @classmethod
    def of(cls, graph: DependencyGraph, plan: PruningPlan) -> "SparsitySection":
        """What `plan` takes from the model behind `graph`."""
        return cls(
            encoder=sparsity(graph.prunable_size("encoder"), plan),
            non_embedding=sparsity(graph.size_of("encoder", "decoder"), plan),
            total=sparsity(graph.size, plan),
        )


class LayersSection(ReportSection):
    """Which layers are left, by their numbers in the dense model. Example: ``decoder_kept=[0, 11]`` of 12."""

    encoder_kept: list[int]
    encoder_dense: int
    decoder_kept: list[int]
    decoder_dense: int

    @classmethod
    def of(cls, groups: Iterable[PruningGroup], plan: PruningPlan) -> "LayersSection":
        """What `plan` leaves of the two stacks."""
        stacks = {group.stack: group for group in groups if group.kind is Kind.LAYERS}
        kept = {f"{name}_kept": list(plan.of(group)) for name, group in stacks.items()}
        return cls.model_validate(kept | {f"{name}_dense": len(group) for name, group in stacks.items()})


class WidthsSection(ReportSection):
    """Heads, FFN channels and hidden dimensions that are left. Example: ``heads={"encoder.self": [4, 2, 0, 4]}``.

    `hidden` are the dimensions of the residual stream, of the whole model and of a narrower encoder, `tokens` those of
    the vocabulary. The fields with ``dense_`` say how many the same places had before.
    """

    heads: dict[str, list[int]]
    ffn: dict[str, list[int]]
    dense_heads: dict[str, list[int]]
    dense_ffn: dict[str, list[int]]
    hidden: dict[str, int] = {}
    dense_hidden: dict[str, int] = {}
    tokens: int | None = None
    dense_tokens: int | None = None

    @classmethod
    def of(cls, groups: Iterable[PruningGroup], plan: PruningPlan) -> "WidthsSection":
        """What `plan` leaves in the layers that it keeps."""
        dense = {group.name: group for group in groups}
        left = groups_after(tuple(dense.values()), plan)
        before = [dense[group.name] for group in left]
        words = [(len(dense[group.name]), len(group)) for group in left if group.kind is Kind.VOCABULARY]
        return cls(
            heads=_widths(left, Kind.HEADS),
            ffn=_widths(left, Kind.FFN),
            dense_heads=_widths(before, Kind.HEADS),
            dense_ffn=_widths(before, Kind.FFN),
            hidden={group.name: len(group) for group in left if group.kind is Kind.HIDDEN},
            dense_hidden={group.name: len(group) for group in before if group.kind is Kind.HIDDEN},
            tokens=words[0][1] if words else None,
            dense_tokens=words[0][0] if words else None,
        )


def _widths(groups: Iterable[PruningGroup], kind: Kind) -> dict[str, list[int]]:
    """Units per layer, by place."""
    places: dict[str, dict[int, int]] = {}
    for group in groups:
        if group.kind is kind and group.layer is not None:
            places.setdefault(group_place(group), {})[group.layer] = len(group)
    return {place: [layers[layer] for layer in sorted(layers)] for place, layers in places.items()}


def group_place(group: PruningGroup) -> str:
    """Where a group of a layer lies in its stack: ``encoder.3.self.heads`` in ``encoder.self``."""
    inside = group.name.removeprefix(f"{group.stack}.{group.layer}.").removesuffix(group.kind).rstrip(".")
    return ".".join(filter(None, (group.stack, inside)))


class QualityPair(ReportSection):
    """One metric's figure for both models."""

    dense: float
    pruned: float


class Intervals(ReportSection):
    """Between what 95% of the headlines lie where test rows are drawn again. Example: ``pruned=(0.031, 0.087)``."""

    dense: tuple[float, float]
    pruned: tuple[float, float]


class QualitySection(ReportSection):
    """The headline metric for both models, on `examples` test rows; `others` beside it.

    `intervals` are the headline's, where the metric is a sum over rows. `loss` is the cross-entropy per target token in
    nats, teacher-forced: smoother than any metric of what is generated.
    """

    metric: str
    higher_is_better: bool
    dense: float
    pruned: float
    retained: float | None
    examples: NonNegativeInt
    others: dict[str, QualityPair] = {}
    intervals: Intervals | None = None
    loss: QualityPair | None = None


class BreakdownSection(ReportSection):
    """Fractions of the time of one `generate`; `loop` is what the modules leave."""

    encoder: float
    decoder: float
    head: float
    loop: float


class RealTime(ReportSection):
    """The real-time factors: seconds of work for a second of sound. Example: 0.14 is seven times as fast as speech."""

    dense: float
    pruned: float


class TimingSection(ReportSection):
    """One workload: seconds for one `generate`, CPU seconds on a CPU, else wall seconds.

    Example: ``dense_s=0.101, pruned_s=0.034, speedup=3.0, speedup_error=0.02``; `split` has the keys ``dense`` and
    ``pruned``. The error is the speed-up's standard error; None in reports from before it was kept.
    """

    workload: Workload
    device: str
    threads: int
    dense_s: float
    pruned_s: float
    dense_wall_s: float
    pruned_wall_s: float
    speedup: float
    wall_speedup: float
    speedup_error: float | None = None
    predicted_speedup: float | None = None
    real_time: RealTime | None = None
    split: dict[str, BreakdownSection]

    @classmethod
    def of(cls, timing: Timing, sound: bool = False) -> "TimingSection":
        """What was measured on one workload, of text or of `sound`."""
        found = {"speedup": timing.speedup, "wall_speedup": timing.wall_speedup, "workload": timing.workload}
        if sound:
            heard = timing.workload.batch * timing.workload.audio_seconds
            found["real_time"] = RealTime(dense=timing.dense_s / heard, pruned=timing.pruned_s / heard)
        return cls.model_validate({**asdict(timing), **found})


class LatencySection(TimingSection):
    """The headline workload's figures, with those of every workload, the headline's too, in `workloads`."""

    workloads: list[TimingSection]

    @classmethod
    def over(cls, timings: Sequence[Timing], sound: bool = False) -> "LatencySection":
        """The first of `timings` is the headline."""
        sections = [TimingSection.of(timing, sound) for timing in timings]
        return cls.model_validate({**dict(sections[0]), "workloads": sections})


class EquivalenceSection(ReportSection):
    """Masked dense model against cut model, before recovery: logits and greedy tokens on a few batches."""

    max_abs_diff: float
    max_rel_diff: float
    tokens_equal: bool


class SecondsSection(ReportSection):
    """Wall seconds that each stage took."""

    find: NonNegativeFloat = 0.0
    learn: NonNegativeFloat = 0.0
    cut: NonNegativeFloat = 0.0
    recover: NonNegativeFloat = 0.0
    measure: NonNegativeFloat = 0.0


class SpentSection(ReportSection):
    """What learning and recovery cost together: training examples as often as seen, and seconds; measuring is not in.

    `cpu_seconds` are CPU seconds of the process on a CPU, wall seconds on an accelerator; `device` says which.
    """

    examples: NonNegativeInt = 0
    cpu_seconds: NonNegativeFloat = 0.0
    device: str = "cpu"


class Sample(ReportSection):
    """One test row and what both models made of it. Example: "speed", "S P IY D", "S P IY D", "S P EH D"."""

    source: str
    reference: str
    dense: str
    pruned: str
