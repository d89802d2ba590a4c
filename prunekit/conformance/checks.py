"""Checks of adapters: an id, a property, and what to do where it does not hold."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from prunekit.conformance.model_under_test import ModelUnderTest
from prunekit.errors import PrunekitError, error_line
from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan


class Failure(PrunekitError):
    """A check that does not hold, in one sentence."""


class Skip(Exception):
    """A check that does not apply: the adapter offers no such group, or the model itself cannot do it."""


@dataclass(frozen=True)
class Check:
    """One property that every adapter must have. Example: ``heads``, the masked model and the cut one agree.

    `run` takes a `ModelUnderTest` and raises `Failure`, or `Skip` where there is nothing to check; `mend` says what to
    do when it fails, `holds` what is so when it does not.
    """

    id: str
    run: Callable[[ModelUnderTest], None]
    mend: str
    holds: str

    def outcome(self, specimen: ModelUnderTest) -> str | None:
        """None where the check holds, else what is wrong; raises `Skip` where it does not apply."""
        try:
            self.run(specimen)
        except Skip:
            raise
        except PrunekitError as error:
            return str(error)
        except Exception as error:  # a wrong declaration makes models raise anything
            return error_line(error)
        return None


PLANS = 4
"""Random plans per check."""


def difference(one: Tensor, other: Tensor) -> float:
    """The largest difference, relative to the largest value of `one`."""
    return float((one - other).abs().max() / one.abs().max())


def need(specimen: ModelUnderTest, *kinds: Kind) -> list[PruningGroup]:
    """The prunable groups of these kinds; raises `Skip` where there are none."""
    groups = specimen.groups(*kinds)
    if not groups:
        raise Skip(f"no {' or '.join(kinds)} to prune")
    return groups


def plan_text(plan: PruningPlan) -> str:
    """The plan's first groups, so that a failure can be looked into."""
    parts = [f"{name}: {list(ids)}" for name, ids in plan.kept.items()]
    return "the plan {" + ", ".join(parts[:6]) + (", ..." if len(parts) > 6 else "") + "}"
