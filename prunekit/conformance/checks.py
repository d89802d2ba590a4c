"""What a check of an adapter is: an id, a sentence that says what holds, and one that says what to mend."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
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

    `run` takes a `ModelUnderTest` and raises `Failure`, or `Skip` where there is nothing to check; `mend` says what is
    usually wrong when it fails.
    """

    id: str
    holds: str
    mend: str
    run: Callable[[ModelUnderTest], None]


PLANS = 4
"""Random plans per check."""

CHECKS: list[Check] = []
"""All checks, the cheap ones first."""


def register(id: str, mend: str) -> Callable[[Callable[[ModelUnderTest], None]], Callable[[ModelUnderTest], None]]:
    """List a function as a check; its docstring is what holds."""

    def listed(run: Callable[[ModelUnderTest], None]) -> Callable[[ModelUnderTest], None]:
        CHECKS.append(Check(id, inspect.cleandoc(run.__doc__ or ""), mend, run))
        return run

    return listed


def failures(specimen: ModelUnderTest, checks: Iterable[Check] | None = None) -> Iterator[tuple[Check, str]]:
    """The checks that do not hold, one after the other, each with what went wrong."""
    for check in CHECKS if checks is None else checks:
        with suppress(Skip):
            if (wrong := outcome(check, specimen)) is not None:
                yield check, wrong


def outcome(check: Check, specimen: ModelUnderTest) -> str | None:
    """None where a check holds, else what went wrong; raises `Skip` where it does not apply."""
    try:
        check.run(specimen)
    except Skip:
        raise
    except PrunekitError as error:
        return str(error)
    except Exception as error:  # a wrong declaration makes models raise anything
        return error_line(error)
    return None


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
