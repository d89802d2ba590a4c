"""What a strategy is given and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from prunekit.errors import PrunekitError
from prunekit.find.size import Size
from prunekit.find.units import Kind, PruningGroup, PruningPlan
from prunekit.learn.select import evenly_spaced
from prunekit.recipe import first_problem

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
        """The groups of one kind in one stack, by layer."""
        return [group for group in self.groups if group.kind is kind and group.stack == stack]

    def widths(self, *stacks: str) -> list[PruningGroup]:
        """The groups of heads and FFN channels in some stacks."""
        return [g for g in self.groups if g.stack in stacks and g.kind in (Kind.HEADS, Kind.FFN)]

    def layers(self, stack: str) -> PruningGroup:
        """The group of one stack's layers."""
        return self.pick(Kind.LAYERS, stack)[0]

    def largest(self, part: str, sparsity: float) -> float:
        """The most parameters that may stay of a part at this sparsity."""
        return (1 - sparsity) * self.whole[part]


class Strategy(BaseModel):
    """A method: its fields are its options, its two methods say what stays.

    Example: ``Nash(decoder_layers=2, encoder_sparsity=0.3)``. Unknown options are refused, and ``prunekit list
    strategies`` shows the fields with their descriptions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    def upfront(self, problem: Problem) -> PruningPlan:
        """What is known without training, to be cut before it; nothing unless overridden."""
        return PruningPlan()

    def plan(self, problem: Problem, bench: "Bench") -> PruningPlan:
        """What stays of the model that `upfront` left, after using the bench as the method asks."""
        raise NotImplementedError


def checked_layers(problem: Problem, stack: str, wanted: int | Sequence[int]) -> tuple[int, ...]:
    """The layer numbers that an option asks for: that many, evenly spaced, or an explicit list."""
    ids = problem.layers(stack).ids
    if isinstance(wanted, int):
        if not 1 <= wanted <= len(ids):
            raise PrunekitError(
                f"{stack}_layers is {wanted}, but the {stack} has {len(ids)} layers; choose between 1 and {len(ids)}."
            )
        return tuple(ids[position] for position in evenly_spaced(len(ids), wanted))
    if unknown := sorted(set(wanted) - set(ids)):
        raise PrunekitError(f"{stack}_layers names layer {unknown[0]}; the {stack} has the layers {list(ids)}.")
    return tuple(sorted(set(wanted)))


def build(kind: type[Strategy], options: Mapping[str, Any]) -> Strategy:
    """The strategy with these options; raises `PrunekitError` in one sentence for an unknown or impossible one."""
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        raise PrunekitError(f"Strategy {kind.__name__.lower()}: {first_problem(error, kind)}") from error
