"""The bench: what a strategy may do with the live model, in a few verbs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import Tensor

from prunekit.find.groups import PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.learn.masking.fold import fold
from prunekit.learn.masking.gates import Gates
from prunekit.learn.masking.masks import masked
from prunekit.learn.selection.activations import activation, influence
from prunekit.learn.selection.importance import Criterion, first_order, magnitude
from prunekit.learn.selection.reconstruction import Reconstruction, reconstruction
from prunekit.learn.training.distillation import LABELS_ONLY, Distillation
from prunekit.learn.training.encoder_cache import EncoderCache
from prunekit.learn.training.layer_skip import LayerSkip
from prunekit.learn.training.loss import loss_of, mean_loss
from prunekit.learn.training.phase import TrainingPhase

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from prunekit.learn.training.context import TrainingContext
    from prunekit.learn.training.phase_trainer import PhaseTrainer
    from prunekit.learn.training.teacher import Teacher


class Bench:
    """The live model with its data: `scores` its units, `train` it in place, `loss` of a plan, `evaluate` on dev.

    `groups` are all groups of the live model, `evaluate_model` gives a model's headline metric on the dev set, of which
    more is better unless `higher_is_better` is false. Each call of `train` is a resumable phase with a number of its
    own, see `prunekit.learn.training.phase_trainer`.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        context: "TrainingContext",
        evaluate_model: "Callable[[PreTrainedModel], float]",
        groups: Sequence[PruningGroup],
        teacher: "Teacher | None" = None,
        phase: str = "learn",
        higher_is_better: bool = True,
    ):
        self.model = model
        self.context = context
        self.evaluate_model = evaluate_model
        self.groups = tuple(groups)
        self.teacher = teacher
        self.phase = phase
        self.higher_is_better = higher_is_better

    @cached_property
    def trainer(self) -> "PhaseTrainer":
        """Trains the live model; imported when needed, since transformers' trainer takes seconds to import."""
        from prunekit.learn.training.dev_readings import DevMetric
        from prunekit.learn.training.phase_trainer import PhaseTrainer

        metric = DevMetric(self.evaluate_model, self.higher_is_better)
        return PhaseTrainer(self.model, self.groups, self.context, self.teacher, self.phase, metric)

    def scores(
        self, groups: Sequence[PruningGroup], by: Criterion = "magnitude", batches: int = 16
    ) -> dict[str, Tensor]:
        """One importance per unit, by group; all but ``magnitude`` compute it on this many training batches.

        ``activation`` is for heads and FFN channels, ``influence`` for layers.
        """
        if by == "magnitude":
            return magnitude(self.model, groups, self.groups)
        if by == "activation":
            return activation(self.model, groups, self._calibration(batches))
        if by == "influence":
            return influence(self.model, groups, self._calibration(batches))
        return first_order(self.model, groups, self._calibration(batches), loss_of, self.groups)

    def reconstruction(self, groups: Sequence[PruningGroup], batches: int = 16) -> Reconstruction:
        """How heads and FFN channels depend on each other on this many training batches: scores, and a refit."""
        return reconstruction(self.model, groups, self._calibration(batches))

    def loss(self, plan: PruningPlan) -> float:
        """The mean loss per target token on the first dev rows, in nats, of the live model as `plan` would leave it.

        The model is masked, not cut; teacher-forced and without dropout, so that plans can be compared before any
        training.
        """
        return self.losses([plan])[0]

    def losses(self, plans: Iterable[PruningPlan]) -> list[float]:
        """The `loss` of every plan, faster than one by one: dropped layers do not run, nor does an untouched encoder.

        The encoder's outputs are cached if no plan changes the encoder.
        """
        compared = list(plans)
        skip = LayerSkip()
        cache = EncoderCache(self.context.encoder_cache_limit)
        changed = {group.stack for plan in compared for group in self.groups if len(plan.of(group)) < len(group)}
        same_encoder = changed <= {"decoder"}

        def batches() -> Iterator[dict[str, Any]]:
            for batch in self._dev:
                cache.rows = batch["index"].tolist() if same_encoder else None
                yield batch

        model: Any = self.model
        result = []
        with skip.of(model, self.groups), cache.of(model.get_encoder()):
            for plan in compared:
                skip.follow(self.groups, plan)
                with masked(model, self.groups, plan):
                    result.append(mean_loss(model, batches()))
        return result

    def fold(self, values: Mapping[str, Tensor]) -> None:
        """Multiply the weights of heads and FFN channels of the live model by keep-values per group, permanently."""
        fold(self.model, self.groups, values)

    def train(
        self,
        distillation: Distillation = LABELS_ONLY,
        gates: Gates | None = None,
        steps: int = 0,
        learning_rate: float | None = None,
        frozen_stacks: Sequence[str] = (),
    ) -> None:
        """Train the model in place, and the gates with it if there are any; nothing happens for 0 steps.

        `frozen_stacks` ("encoder", "decoder") keep their weights meanwhile, which makes steps cheaper. Raises
        `PrunekitError` before the first step if the recipe's budget of examples does not allow for it.
        """
        if steps:
            self.trainer.train(TrainingPhase(distillation, gates, steps, learning_rate, frozen_stacks))

    def evaluate(self) -> float:
        """The headline metric on the dev set."""
        return self.evaluate_model(self.model)

    @cached_property
    def _dev(self) -> list[dict[str, Any]]:
        return self.context.dev_batches(self.model)

    def _calibration(self, count: int) -> list[dict[str, Any]]:
        """Training batches for scoring, charged to the budget."""
        batches = self.context.calibration_batches(self.model, count)
        self.context.budget.charge(sum(len(batch["labels"]) for batch in batches))
        return batches
