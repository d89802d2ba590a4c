"""CoFi (Xia et al., ACL 2022), for encoder-decoders: coarse and fine units of both stacks compete for one budget."""

from typing import Literal

from pydantic import Field, field_validator

from prunekit import (
    Bench,
    Constraint,
    Distillation,
    HardConcreteGates,
    Kind,
    Problem,
    PrunekitError,
    PruningGroup,
    PruningPlan,
    SparsitySchedule,
    Strategy,
    harden,
    hookimpl,
)

MaskKind = Literal["heads", "ffn", "sublayers", "hidden"]
ALL_MASKS: list[MaskKind] = ["heads", "ffn", "sublayers", "hidden"]


class CoFi(Strategy, Distillation):
    """CoFi: learn which heads, channels, sub-layers and hidden dimensions to remove; layers learn from matching ones.

    A parameter is kept only if every gate that covers it is open. Layers of which nothing is left are removed.
    """

    sparsity: float = Field(
        0.6, gt=0, lt=1, description="share to remove of the non-embedding parameters, or of each stack's heads and ffn"
    )
    constraints: Literal["global", "separate"] = Field(
        "global", description="one target for the model, or the same target for each stack's heads and channels"
    )
    stacks: Literal["both", "encoder", "decoder"] = Field(
        "both", description="which stacks have gates; a single one has a target of its own"
    )
    masks: list[MaskKind] = Field(
        ALL_MASKS,
        min_length=1,
        description="which kinds of gates there are; sublayers gate whole attention and ffn blocks",
    )
    steps: int = Field(2000, ge=1, description="training steps in which the gates are learned")
    warmup: float = Field(0.5, ge=0, le=1, description="share of the steps over which the target rises from 0")
    gate_learning_rate: float = Field(0.05, gt=0, description="AdamW learning rate of the gates")
    multiplier_learning_rate: float = Field(0.02, gt=0, description="AdamW learning rate of the Lagrange multipliers")
    initial_gate: float = Field(4.6, description="log-alpha of the gates at the start; 4.6 keeps nearly everything")
    decoder_hidden: float = Field(0.001, ge=0, description="weight of the decoder's hidden states")
    matching: Literal["same", "nearest", "downward"] = Field(
        "nearest",
        description="how student and teacher layers are matched: same index, nearest, or nearest in order from the top",
    )
    state_map: Literal["identity", "learned"] = Field(
        "learned", description="map from the student's hidden states to the teacher's: none, or a learned linear one"
    )

    @field_validator("masks")
    @classmethod
    def with_units(cls, masks: list[MaskKind]) -> list[MaskKind]:
        """Refuse masks that cannot meet a target."""
        if not {"heads", "ffn"} & set(masks):
            raise ValueError("name heads or ffn too, by which the target is met")
        return masks

    def plan(self, problem: Problem, bench: Bench) -> PruningPlan:
        gates = self.gates(problem)
        bench.train(Distillation.of(self), gates=gates, steps=self.steps)
        return harden(problem, gates)

    def gates(self, problem: Problem) -> HardConcreteGates:
        """Gates of all kinds asked for, held to the target; raises `PrunekitError` if they cannot reach it."""
        groups = self.gated_groups(problem)
        parts = self.constrained_parts()
        self.check_reach(problem, groups, parts)
        schedule = SparsitySchedule(self.sparsity, round(self.warmup * self.steps))
        return HardConcreteGates(
            groups,
            [Constraint(part, problem.sizes[part], problem.whole[part], schedule) for part in parts],
            problem.seed,
            self.initial_gate,
            self.gate_learning_rate,
            self.multiplier_learning_rate,
            sublayers=[g for g in groups if g.kind is not Kind.HIDDEN] if "sublayers" in self.masks else [],
        )

    def gated_stacks(self) -> list[str]:
        """The stacks that have gates."""
        return ["encoder", "decoder"] if self.stacks == "both" else [self.stacks]

    def gated_groups(self, problem: Problem) -> list[PruningGroup]:
        """The groups whose units have gates; empty ones have none."""
        widths = [group for group in problem.widths(*self.gated_stacks()) if len(group)]
        groups = [group for group in widths if group.kind.value in self.masks]
        if "hidden" in self.masks:
            groups += problem.pick(Kind.HIDDEN, "" if self.stacks == "both" else self.stacks)
        return groups

    def constrained_parts(self) -> list[str]:
        """The parts of the model that have a target."""
        return ["non_embedding"] if self.stacks == "both" and self.constraints == "global" else self.gated_stacks()

    def check_reach(self, problem: Problem, groups: list[PruningGroup], parts: list[str]) -> None:
        """Raise `PrunekitError` if a target is missed even when every gate is shut."""
        for part in parts:
            smallest = problem.sizes[part].counted({group.name: 0 for group in groups})
            if smallest > problem.max_parameters(part, self.sparsity):
                share = 1 - smallest / problem.whole[part]
                raise PrunekitError(
                    f"{'/'.join(self.masks)} are at most {share:.0%} of what {part} counts; "
                    "name more kinds of masks, or a lower sparsity."
                )


@hookimpl
def prunekit_strategy() -> type[Strategy]:
    return CoFi
