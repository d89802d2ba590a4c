"""What a strategy is given and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from prunekit._support.refusals import first_problem
from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind, PruningGroup, width_groups
from prunekit.find.plan import PruningPlan
from prunekit.find.size import Size

if TYPE_CHECKING:
    from prunekit.learn.bench import Bench


@dataclass(frozen=True)
class Problem:
    """What there is to prune, and how large it is: everything a strategy may know without running the model.

    `groups` are those of the model at hand. `sizes` maps ``encoder``, ``decoder`` (heads and FFN channels of that
    stack), ``non_embedding`` and ``total`` to size functions of the model at hand, `whole` to the original model's
    parameters, so that sparsity is always measured against the original. `round_to` is the rounding of FFN widths that
    the hardware asks for: 8 keeps widths at multiples of 8.
    """

    groups: tuple[PruningGroup, ...]
    sizes: Mapping[str, Size]
    whole: Mapping[str, int]
    round_to: int = 8
    seed: int = 0

    def pick(self, kind: Kind, stack: str) -> list[PruningGroup]:
        """The groups of one kind in one stack that may be cut, by layer."""
        return [group for group in self.groups if group.kind is kind and group.stack == stack and group.prunable]

    def widths(self, *stacks: str) -> list[PruningGroup]:
        """The groups of heads and FFN channels in some stacks that may be cut."""
        return width_groups(self.groups, *stacks)

    def layers(self, stack: str) -> PruningGroup:
        """The group of one stack's layers."""
        return self.pick(Kind.LAYERS, stack)[0]

    def max_parameters(self, part: str, sparsity: float) -> float:
        """The most parameters that may stay of a part at this sparsity."""
        return (1 - sparsity) * self.whole[part]


class Strategy(BaseModel):
    """A method: its fields are its options, its two methods say what stays.

    Example: ``Nash(decoder_layers=2, encoder_sparsity=0.3)``. Unknown options are refused, and ``prunekit list
    strategies NAME`` shows the fields with their descriptions.

    A method that is used in more than one way names them in `presets`: options by preset, chosen with a field
    ``preset``. Options that are given win over the preset's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, options: Any) -> Any:
        """The options with those of the preset that was asked for beneath them."""
        if not isinstance(options, Mapping) or not isinstance(options.get("preset"), str):
            return options
        return {**cls.presets.get(options["preset"], {}), **options}

    def upfront(self, problem: Problem, bench: "Bench") -> PruningPlan:
        """What needs no training, to be cut before it; nothing unless overridden."""
        return PruningPlan()

    def plan(self, problem: Problem, bench: "Bench") -> PruningPlan:
        """What stays of the model that `upfront` left, after using the bench as the method asks."""
        raise NotImplementedError


def build(kind: type[Strategy], options: Mapping[str, Any]) -> Strategy:
    """The strategy with these options; raises `PrunekitError` in one sentence for an unknown or impossible one."""
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        raise PrunekitError(f"Strategy {kind.__name__.lower()}: {first_problem(error, kind)}") from error
