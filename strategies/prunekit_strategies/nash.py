"""NASH (Ko et al., EMNLP Findings 2023): narrow the encoder, shorten the decoder."""

from pydantic import Field

from prunekit import (
    Constraint,
    Distillation,
    HardConcreteGates,
    PruningPlan,
    SparsitySchedule,
    Strategy,
    checked_layers,
    hookimpl,
    meet,
)


class Nash(Strategy):
    """NASH: keep evenly spaced decoder layers, learn which encoder heads and channels to drop, with distillation."""

    decoder_layers: int | list[int] = Field(3, description="decoder layers to keep: how many, or which")
    encoder_sparsity: float = Field(0.3, ge=0, lt=1, description="share of the encoder's heads and channels to remove")
    steps: int = Field(1500, ge=0, description="training steps while the gates are learned")
    warmup: float = Field(0.5, ge=0, le=1, description="share of the steps over which the target rises from 0")
    gate_learning_rate: float = Field(0.05, gt=0, description="AdamW rate of the gates")
    multiplier_learning_rate: float = Field(0.05, gt=0, description="AdamW rate of the Lagrange multipliers")
    initial_gate: float = Field(4.6, description="log-alpha at the start; 4.6 keeps nearly everything")
    cross_entropy: float = Field(1.0, ge=0, description="weight of the labels")
    logits: float = Field(0.5, ge=0, description="weight of the KL divergence from the teacher")
    encoder_hidden: float = Field(0.001, ge=0, description="weight of the encoder's hidden states")
    decoder_hidden: float = Field(0.0, ge=0, description="weight of the decoder's hidden states")
    temperature: float = Field(2.0, gt=0, description="temperature of the KL divergence")

    def upfront(self, problem):
        return PruningPlan({"decoder.layers": checked_layers(problem, "decoder", self.decoder_layers)})

    def plan(self, problem, bench):
        groups = problem.widths("encoder")
        if self.encoder_sparsity == 0:
            bench.train(self.losses(), steps=self.steps)
            return PruningPlan()
        schedule = SparsitySchedule(self.encoder_sparsity, round(self.warmup * self.steps))
        constraint = Constraint("encoder", problem.sizes["encoder"], problem.whole["encoder"], schedule)
        gates = HardConcreteGates(
            groups,
            [constraint],
            problem.seed,
            self.initial_gate,
            self.gate_learning_rate,
            self.multiplier_learning_rate,
        )
        bench.train(self.losses(), gates=gates, steps=self.steps)
        scores = gates.scores() if self.steps else bench.scores(groups)
        largest = problem.largest("encoder", self.encoder_sparsity)
        return meet(groups, scores, problem.sizes["encoder"], largest, problem.round_to)

    def losses(self):
        return Distillation(self.cross_entropy, self.logits, self.encoder_hidden, self.decoder_hidden, self.temperature)


@hookimpl
def prunekit_strategy():
    return Nash
