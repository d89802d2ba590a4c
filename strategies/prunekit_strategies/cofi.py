"""CoFi (Xia et al., ACL 2022), for encoder-decoders: coarse and fine units of both stacks compete for one budget."""

from typing import Literal

from pydantic import Field, field_validator

from prunekit import (
    Constraint,
    Distillation,
    HardConcreteGates,
    Kind,
    PrunekitError,
    SparsitySchedule,
    Strategy,
    harden,
    hookimpl,
)

MASKS: list[Literal["heads", "ffn", "sublayers", "hidden"]] = ["heads", "ffn", "sublayers", "hidden"]


class CoFi(Strategy):
    """CoFi: learn which heads, channels, sub-layers and hidden dimensions to drop, layers matched to the teacher's.

    A parameter stays only if every gate that covers it is open. Layers of which nothing is left go altogether.
    """

    sparsity: float = Field(
        0.6, gt=0, lt=1, description="share to remove of the non-embedding parameters, or of each stack's heads and ffn"
    )
    constraints: Literal["global", "separate"] = Field(
        "global", description="one target for the model, or the same for what heads and channels own in each stack"
    )
    stacks: Literal["both", "encoder", "decoder"] = Field("both", description="where gates lie; one stack has a target")
    masks: list[Literal["heads", "ffn", "sublayers", "hidden"]] = Field(
        MASKS, min_length=1, description="which kinds of gates there are; sublayers gate whole attention and ffn blocks"
    )
    steps: int = Field(2000, ge=1, description="training steps while the gates are learned")
    warmup: float = Field(0.5, ge=0, le=1, description="share of the steps over which the target rises from 0")
    gate_learning_rate: float = Field(0.05, gt=0, description="AdamW rate of the gates")
    multiplier_learning_rate: float = Field(0.02, gt=0, description="AdamW rate of the Lagrange multipliers")
    initial_gate: float = Field(4.6, description="log-alpha at the start; 4.6 keeps nearly everything")
    cross_entropy: float = Field(1.0, ge=0, description="weight of the labels")
    logits: float = Field(0.5, ge=0, description="weight of the KL divergence from the teacher")
    encoder_hidden: float = Field(0.001, ge=0, description="weight of the encoder's hidden states")
    decoder_hidden: float = Field(0.001, ge=0, description="weight of the decoder's hidden states")
    temperature: float = Field(2.0, gt=0, description="temperature of the KL divergence")
    matching: Literal["same", "nearest", "downward"] = Field(
        "nearest", description="which layer learns from one of the teacher's: its like, the nearest, or that in order"
    )
    state_map: Literal["identity", "learned"] = Field(
        "learned", description="what lies between the student's hidden states and the teacher's"
    )

    @field_validator("masks")
    @classmethod
    def with_units(cls, masks):
        if not {"heads", "ffn"} & set(masks):
            raise ValueError("name heads or ffn too, by which the target is met")
        return masks

    def plan(self, problem, bench):
        gates = self.gates(problem)
        bench.train(self.losses(), gates=gates, steps=self.steps)
        return harden(problem, gates)

    def gates(self, problem):
        parts = [self.stacks] if self.stacks != "both" else ["encoder", "decoder"]
        blocks = [g for g in problem.widths(*parts) if len(g)]
        groups = [g for g in blocks if g.kind.value in self.masks]
        if "hidden" in self.masks:
            groups += problem.pick(Kind.HIDDEN, "" if self.stacks == "both" else self.stacks)
        counted = ["non_embedding"] if self.stacks == "both" and self.constraints == "global" else parts
        for part in counted:
            least = problem.sizes[part].counted({group.name: 0 for group in groups})
            if least > problem.max_parameters(part, self.sparsity):
                raise PrunekitError(
                    f"{'/'.join(self.masks)} are at most {1 - least / problem.whole[part]:.0%} of what {part} counts; "
                    "name more kinds of masks, or a lower sparsity."
                )
        schedule = SparsitySchedule(self.sparsity, round(self.warmup * self.steps))
        return HardConcreteGates(
            groups,
            [Constraint(part, problem.sizes[part], problem.whole[part], schedule) for part in counted],
            problem.seed,
            self.initial_gate,
            self.gate_learning_rate,
            self.multiplier_learning_rate,
            sublayers=[g for g in groups if g.kind is not Kind.HIDDEN] if "sublayers" in self.masks else [],
        )

    def losses(self):
        return Distillation(
            self.cross_entropy,
            self.logits,
            self.encoder_hidden,
            self.decoder_hidden,
            self.temperature,
            self.matching,
            self.state_map,
        )


@hookimpl
def prunekit_strategy():
    return CoFi
