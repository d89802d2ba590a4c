"""A strategy: the problem that it is given, its options, and the two plans that it answers with."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

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

    `groups` are those of the live model. `sizes` maps ``encoder``, ``decoder`` (the heads and FFN channels of that
    stack), ``non_embedding`` and ``total`` to size functions of the live model, `whole` maps them to the original
    model's parameters, so that sparsity is always measured against the original. FFN widths are kept at multiples of
    `round_to`, as the hardware asks.

    Example: the heads and channels of a T5-base's encoder have 84,934,656 parameters; at a sparsity of 0.3 at most
    59,454,259 may be kept, ``problem.max_parameters("encoder", 0.3)``.
    """

    groups: tuple[PruningGroup, ...]
    sizes: Mapping[str, Size]
    whole: Mapping[str, int]
    round_to: int = 8
    seed: int = 0

    def pick(self, kind: Kind, stack: str) -> list[PruningGroup]:
        """The groups of one kind in one stack that can be pruned, by layer."""
        return [group for group in self.groups if group.kind is kind and group.stack == stack and group.prunable]

    def widths(self, *stacks: str) -> list[PruningGroup]:
        """The groups of heads and FFN channels in some stacks that can be pruned."""
        return width_groups(self.groups, *stacks)

    def layers(self, stack: str) -> PruningGroup:
        """The group of one stack's layers."""
        return self.pick(Kind.LAYERS, stack)[0]

    def max_parameters(self, part: str, sparsity: float) -> float:
        """The most parameters of a part that may be kept at this sparsity."""
        return (1 - sparsity) * self.whole[part]


class Strategy(BaseModel):
    """A method: its fields are its options, its two methods answer with the units to keep.

    Example: ``Nash(decoder_layers=2, encoder_sparsity=0.3)``. Unknown options are refused, and ``prunekit list
    strategies NAME`` shows the fields with their descriptions.

    A method with more than one set of defaults names them in `presets`: options by preset, chosen with a field
    ``preset``. Options that are given override the preset's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, options: Any) -> Any:
        """The given options over those of the preset that they name."""
        if not isinstance(options, Mapping) or not isinstance(options.get("preset"), str):
            return options
        return {**cls.presets.get(options["preset"], {}), **options}

    def upfront(self, problem: Problem, bench: "Bench") -> PruningPlan:
        """The plan that needs no training and is cut before it; it prunes nothing unless overridden."""
        return PruningPlan()

    def plan(self, problem: Problem, bench: "Bench") -> PruningPlan:
        """The plan for the model that `upfront` left, after using the bench as the method requires."""
        raise NotImplementedError


def options_in_order(kind: type[Strategy]) -> dict[str, FieldInfo]:
    """A strategy's options: first those that its own class names, in that order, then those that it inherits."""
    own = [name for name in inspect.get_annotations(kind) if name in kind.model_fields]
    names = dict.fromkeys([*own, *kind.model_fields])
    return {name: kind.model_fields[name] for name in names}


def build(kind: type[Strategy], options: Mapping[str, Any]) -> Strategy:
    """The strategy with these options; raises `PrunekitError` in one sentence for an unknown or impossible one."""
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        raise PrunekitError(f"Strategy {kind.__name__.lower()}: {first_problem(error, kind)}") from error
