"""NASH (Ko et al., EMNLP Findings 2023): narrow the encoder, shorten the decoder.

The paper learns with gates, while the model trains, which of the encoder's heads and channels to remove. The
recommended preset does without: it removes equal shares of every layer and refits the rest by least squares. That takes
seconds, loses next to nothing, and leaves the whole budget to recovery.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from prunekit import (
    Bench,
    Constraint,
    Distillation,
    DistillationWeights,
    HardConcreteGates,
    Kind,
    Problem,
    PruningPlan,
    SparsitySchedule,
    Strategy,
    checked_layers,
    hookimpl,
    layers_by_loss,
    prune_to_size,
    prune_to_size_uniform,
)


class Nash(Strategy, DistillationWeights):
    """NASH: keep a few decoder layers, and remove those of the encoder's heads and channels that are missed least."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "recommended": {},
        "code-faithful": {  # what the authors' released code does where it does not crash
            "layer_choice": "even",
            "narrowing": "gates",
            "steps": 1500,
            "final_masks": "soft",
            "gate_learning_rate": 0.01,
            "multiplier_learning_rate": 0.01,
            "initial_gate": 10.0,
            "initial_ffn_gate": 0.0,
            "logits": 0.0,
            "encoder_hidden": 0.0,
        },
    }

    preset: Literal["recommended", "code-faithful"] = Field("recommended", description="which defaults to start from")
    decoder_layers: int | list[int] = Field(3, description="decoder layers to keep: how many, or which")
    layer_choice: Literal["even", "loss"] = Field(
        "loss", description="how they are chosen: evenly spaced, or those with the lowest dev loss before training"
    )
    encoder_sparsity: float = Field(0.3, ge=0, lt=1, description="share of the encoder's heads and channels to remove")
    narrowing: Literal["reconstruction", "gates"] = Field(
        "reconstruction",
        description="reconstruction: remove equal shares and refit the rest by least squares; gates: learn L0 masks",
    )
    per_layer_uniform: bool = Field(False, description="with gates: remove the same share of every layer")
    final_masks: Literal["hard", "soft"] = Field(
        "hard",
        description="with gates: hard masks of 0 and 1 meet the target exactly, soft ones scale what is kept as the "
        "released code does",
    )
    decoder_steps: int = Field(0, ge=0, description="training steps of the shortened decoder alone, before the others")
    steps: int = Field(0, ge=0, description="training steps before recovery; gates are learned in these")
    warmup: float = Field(0.5, ge=0, le=1, description="share of the steps over which the target rises from 0")
    gate_learning_rate: float = Field(0.05, gt=0, description="AdamW learning rate of the gates")
    multiplier_learning_rate: float = Field(0.05, gt=0, description="AdamW learning rate of the Lagrange multipliers")
    initial_gate: float = Field(4.6, description="log-alpha of the gates at the start; 4.6 keeps nearly everything")
    initial_ffn_gate: float | None = Field(None, description="the same for FFN channels, if different")

    def upfront(self, problem: Problem, bench: Bench) -> PruningPlan:
        plan = PruningPlan({"decoder.layers": self.select_decoder_layers(problem, bench)})
        if self.encoder_sparsity and self.narrowing == "reconstruction":
            plan = plan.then(self.reconstruct_encoder(problem, bench))
        return plan

    def plan(self, problem: Problem, bench: Bench) -> PruningPlan:
        decoder_only = Distillation.of(self, encoder_hidden=0.0)
        bench.train(decoder_only, steps=self.decoder_steps, frozen_stacks=("encoder",))
        if self.encoder_sparsity and self.narrowing == "gates":
            gates = self.gates(problem)
            bench.train(Distillation.of(self), gates=gates, steps=self.steps)
            return self.soft_plan(gates, bench) if self.final_masks == "soft" else self.hard_plan(problem, gates, bench)
        bench.train(Distillation.of(self), steps=self.steps)
        return PruningPlan()

    def select_decoder_layers(self, problem: Problem, bench: Bench) -> tuple[int, ...]:
        """The numbers of the decoder layers to keep."""
        if self.layer_choice == "loss" and isinstance(self.decoder_layers, int):
            return layers_by_loss(problem, bench, "decoder", self.decoder_layers)
        return checked_layers(problem, "decoder", self.decoder_layers)

    def reconstruct_encoder(self, problem: Problem, bench: Bench) -> PruningPlan:
        """Remove the units that the others replace best, the same share of every group, and refit the others."""
        reconstruction = bench.reconstruction(problem.widths("encoder"))
        plan = prune_to_size_uniform(
            reconstruction.groups,
            reconstruction.scores,
            problem.sizes["encoder"],
            problem.max_parameters("encoder", self.encoder_sparsity),
            problem.round_to,
        )
        reconstruction.refit(plan)
        return plan

    def gates(self, problem: Problem) -> HardConcreteGates:
        """One gate per head and channel of the encoder, held to the target sparsity."""
        schedule = SparsitySchedule(self.encoder_sparsity, round(self.warmup * self.steps))
        constraint = Constraint("encoder", problem.sizes["encoder"], problem.whole["encoder"], schedule)
        channels = self.initial_gate if self.initial_ffn_gate is None else self.initial_ffn_gate
        return HardConcreteGates(
            problem.widths("encoder"),
            [constraint],
            problem.seed,
            {Kind.HEADS: self.initial_gate, Kind.FFN: channels},
            self.gate_learning_rate,
            self.multiplier_learning_rate,
        )

    def hard_plan(self, problem: Problem, gates: HardConcreteGates, bench: Bench) -> PruningPlan:
        """Keep the units with the highest gates, as many as the target allows."""
        prune = prune_to_size_uniform if self.per_layer_uniform else prune_to_size
        return prune(
            gates.groups,
            gates.scores() if self.steps else bench.scores(gates.groups),
            problem.sizes["encoder"],
            problem.max_parameters("encoder", self.encoder_sparsity),
            problem.round_to,
        )

    def soft_plan(self, gates: HardConcreteGates, bench: Bench) -> PruningPlan:
        """As released: remove as many units of each group as its gates expect, and scale the others by their gates."""
        masks = gates.deterministic()
        bench.fold(masks)
        kept = {
            group.name: tuple(unit for unit, mask in zip(group.ids, masks[group.name], strict=True) if mask)
            for group in gates.groups
        }
        return PruningPlan(kept)


@hookimpl
def prunekit_strategy() -> type[Strategy]:
    return Nash
