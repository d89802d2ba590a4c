"""A stage of recovery as a recipe names it."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, PositiveFloat

from prunekit._support.section import Section

Part = Literal["encoder", "decoder", "embedding"]
"""A part of a model that may stay as it is; embedding: the table of tokens, and the head."""


class RecoveryStage(Section):
    """A stretch of recovery: what stays as it is meanwhile, how long it lasts, and how fast the rest learns.

    Example: ``{frozen: [encoder], share: 0.6}`` and ``{share: 0.4, rate: 0.3}``.
    """

    frozen: tuple[Part, ...] = Field((), description="parts that stay as they are meanwhile")
    share: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="of a budget's seconds, else of the steps; relative to the others'"
    )
    rate: PositiveFloat = Field(1.0, allow_inf_nan=False, description="by what the learning rate is multiplied")


def refuse_stages(stages: Sequence[RecoveryStage], frozen: Sequence[Part]) -> None:
    """Raise `ValueError` for stages beside what is `frozen` in all of recovery, and for stages that share nothing."""
    if stages and frozen:
        raise ValueError("frozen and stages cannot both be given; say in every stage what is frozen in it")
    if stages and not any(stage.share for stage in stages):
        raise ValueError("every stage has a share of 0; give one of them more")
