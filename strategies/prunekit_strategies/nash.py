"""NASH (Ko et al., EMNLP Findings 2023): narrow the encoder, shorten the decoder.

The paper learns what the encoder loses with gates, while it trains. The recommended preset does not: what is left is
refitted to stand in for what goes, which takes seconds and loses next to nothing, and leaves all the time to recovery.
"""

from typing import ClassVar, Literal

from pydantic import Field

from prunekit import (
    Constraint,
    Distillation,
    HardConcreteGates,
    Kind,
    PruningPlan,
    SparsitySchedule,
    Strategy,
    checked_layers,
    hookimpl,
    layers_by_loss,
    prune_to_size,
    prune_to_size_uniform,
)


class Nash(Strategy):
    """NASH: keep a few decoder layers, and drop the encoder's heads and channels that the others can stand in for."""

    presets: ClassVar = {
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

    preset: Literal["recommended", "code-faithful"] = Field("recommended", description="which defaults the rest has")
    decoder_layers: int | list[int] = Field(3, description="decoder layers to keep: how many, or which")
    layer_choice: Literal["even", "loss"] = Field(
        "loss", description="how that many are chosen: evenly spaced, or those with the least dev loss before training"
    )
    encoder_sparsity: float = Field(0.3, ge=0, lt=1, description="share of the encoder's heads and channels to remove")
    narrowing: Literal["reconstruction", "gates"] = Field(
        "reconstruction",
        description="refit what is left to what goes, in closed form, the same share everywhere; or learn it by gates",
    )
    per_layer_uniform: bool = Field(False, description="take the same share of every layer; gates choose within it")
    final_masks: Literal["hard", "soft"] = Field(
        "hard", description="hard: 0 or 1, the target is met exactly; soft: what stays is scaled once, as released"
    )
    decoder_steps: int = Field(0, ge=0, description="steps before that, in which the shortened decoder trains alone")
    steps: int = Field(0, ge=0, description="training steps before recovery; while the gates are learned")
    warmup: float = Field(0.5, ge=0, le=1, description="share of the steps over which the target rises from 0")
    gate_learning_rate: float = Field(0.05, gt=0, description="AdamW rate of the gates")
    multiplier_learning_rate: float = Field(0.05, gt=0, description="AdamW rate of the Lagrange multipliers")
    initial_gate: float = Field(4.6, description="log-alpha at the start; 4.6 keeps nearly everything")
    initial_ffn_gate: float | None = Field(None, description="the same of FFN channels, if theirs is another")
    cross_entropy: float = Field(1.0, ge=0, description="weight of the labels")
    logits: float = Field(0.5, ge=0, description="weight of the KL divergence from the teacher")
    encoder_hidden: float = Field(0.001, ge=0, description="weight of the encoder's hidden states")
    decoder_hidden: float = Field(0.0, ge=0, description="weight of the decoder's hidden states")
    temperature: float = Field(2.0, gt=0, description="temperature of the KL divergence")

    def upfront(self, problem, bench):
        if self.layer_choice == "loss" and isinstance(self.decoder_layers, int):
            layers = layers_by_loss(problem, bench, "decoder", self.decoder_layers)
        else:
            layers = checked_layers(problem, "decoder", self.decoder_layers)
        shorter = PruningPlan({"decoder.layers": layers})
        return shorter.then(self.reconstruct_encoder(problem, bench)) if self.narrowing == "reconstruction" else shorter

    def reconstruct_encoder(self, problem, bench):
        """The units of the encoder that the others can least stand in for; those are refitted to what goes."""
        if self.encoder_sparsity == 0:
            return PruningPlan()
        found = bench.reconstruction(problem.widths("encoder"))
        max_parameters = problem.max_parameters("encoder", self.encoder_sparsity)
        plan = prune_to_size_uniform(
            found.groups, found.scores, problem.sizes["encoder"], max_parameters, problem.round_to
        )
        found.refit(plan)
        return plan

    def plan(self, problem, bench):
        hidden = (self.encoder_hidden, self.decoder_hidden)
        losses = Distillation(self.cross_entropy, self.logits, *hidden, self.temperature)
        alone = Distillation(self.cross_entropy, self.logits, 0.0, self.decoder_hidden, self.temperature)
        bench.train(alone, steps=self.decoder_steps, frozen_stacks=("encoder",))
        if self.encoder_sparsity == 0 or self.narrowing == "reconstruction":
            bench.train(losses, steps=self.steps)
            return PruningPlan()
        gates = self.gates(problem)
        bench.train(losses, gates=gates, steps=self.steps)
        return self.soft_plan(gates, bench) if self.final_masks == "soft" else self.hard_plan(problem, gates, bench)

    def gates(self, problem):
        schedule = SparsitySchedule(self.encoder_sparsity, round(self.warmup * self.steps))
        channels = self.initial_gate if self.initial_ffn_gate is None else self.initial_ffn_gate
        return HardConcreteGates(
            problem.widths("encoder"),
            [Constraint("encoder", problem.sizes["encoder"], problem.whole["encoder"], schedule)],
            problem.seed,
            {Kind.HEADS: self.initial_gate, Kind.FFN: channels},
            self.gate_learning_rate,
            self.multiplier_learning_rate,
        )

    def hard_plan(self, problem, gates, bench):
        """The units with the highest gates, as many as the target leaves room for."""
        scores = gates.scores() if self.steps else bench.scores(gates.groups)
        choose = prune_to_size_uniform if self.per_layer_uniform else prune_to_size
        max_parameters = problem.max_parameters("encoder", self.encoder_sparsity)
        return choose(gates.groups, scores, problem.sizes["encoder"], max_parameters, problem.round_to)

    def soft_plan(self, gates, bench):
        """As released: every layer loses as many units as are expected to go, what stays is scaled by its gate."""
        masks = gates.deterministic()
        bench.fold(masks)
        kept = {g.name: tuple(n for n, z in zip(g.ids, masks[g.name], strict=True) if z) for g in gates.groups}
        return PruningPlan(kept)


@hookimpl
def prunekit_strategy():
    return Nash
