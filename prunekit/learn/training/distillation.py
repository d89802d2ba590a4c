"""Distillation as data: how much a student learns from labels, from the teacher's predictions and hidden states."""

from typing import Any, Literal

from pydantic import Field

from prunekit.recipe import DistillationWeights

Matching = Literal["same", "nearest", "downward"]
StateMap = Literal["identity", "learned"]


class Distillation(DistillationWeights):
    """Weights of the loss terms, and how layers are matched; a term of weight 0 is not computed and needs no teacher.

    ``cross_entropy * CE + logits * T**2 * KL(teacher/T || student/T) + encoder_hidden * MSE + decoder_hidden * MSE``,
    each a mean over the tokens that are not padding (Hinton et al. 2015 for T**2). Hidden states are compared layer by
    layer: encoder layer l with layer l, a decoder layer with the teacher's layer that it was. With a `matching` other
    than ``same``, four layers of the teacher, spread over the depth, are each compared with the student's layer that is
    ``nearest`` at that step, or nearest below the previous match (``downward``); see
    `prunekit.learn.training.hidden_states`. With a ``learned`` `state_map`, a linear map of size d x d that starts as
    the identity is applied to the student's states before the comparison.

    Example: ``Distillation(logits=0.5, encoder_hidden=0.0)`` learns from labels and from the teacher's predictions.
    """

    matching: Matching = Field(
        "same",
        description="how student and teacher layers are matched: same index, nearest, or nearest in order from the top",
    )
    state_map: StateMap = Field(
        "identity", description="map from the student's hidden states to the teacher's: none, or a learned linear one"
    )

    @classmethod
    def of(cls, options: DistillationWeights, **changes: Any) -> "Distillation":
        """The distillation that a recipe's section or a strategy's options describe, with some fields changed.

        Example: ``Distillation.of(self, encoder_hidden=0.0)`` in a strategy that inherits `DistillationWeights`.
        """
        described = {name: getattr(options, name) for name in cls.model_fields if name in type(options).model_fields}
        return cls(**{**described, **changes})

    @property
    def hidden_weights(self) -> dict[str, float]:
        """The stacks whose hidden states are compared, with the weight of each."""
        weights = {"encoder": self.encoder_hidden, "decoder": self.decoder_hidden}
        return {stack: weight for stack, weight in weights.items() if weight > 0}

    @property
    def needs_teacher(self) -> bool:
        """Whether any term needs the teacher."""
        return self.logits > 0 or bool(self.hidden_weights)


LABELS_ONLY = Distillation(logits=0.0, encoder_hidden=0.0)
"""Cross-entropy alone: no term needs a teacher."""
