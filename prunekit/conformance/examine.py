"""All checks on one specimen, with what came of each: for people who want a table and not only the failures."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from prunekit.conformance import CHECKS, Check, ModelUnderTest, Skip
from prunekit.conformance.checks import outcome
from prunekit.cut.checkpoint import is_pruned
from prunekit.errors import PrunekitError
from prunekit.loading.pretrained import located, open_config, open_model
from prunekit.loading.structure import adapter_for
from prunekit.measure.equivalence import ALARM

FIRST = "trace"
"""The check without which no other can be made: it finds the groups."""

TOYS = {"loud": "asks for large random weights, and these are real ones"}
"""Checks that say nothing about a model with real weights, by id, with the reason."""


class Outcome(StrEnum):
    """What a check comes to."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Finding:
    """What one check came to. Example: ``heads`` FAILED in 0.4 s, because logits differ by 3e-2 of the largest.

    `why` is empty where the check holds.
    """

    check: Check
    outcome: Outcome
    why: str
    seconds: float


def open_model_under_test(place: str, adapter: str | None = None) -> tuple[str, ModelUnderTest]:
    """The dense model in a directory or on the hub, in float32, with the name of the adapter that is to be checked.

    Logits may differ as far as a run allows. Raises `PrunekitError` for a model that was pruned before.
    """
    directory = located(place)
    if is_pruned(directory):
        raise PrunekitError(f"{place!r} holds a model that was pruned before; check the dense model that it came from.")
    config = open_config(directory)
    name, chosen = adapter_for(config, adapter)
    model = open_model(directory, config, chosen)
    return name, ModelUnderTest(chosen, model.config, model, ALARM[model.dtype])


def examine(
    specimen: ModelUnderTest,
    beside: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """What every check comes to; those `beside` the point, by id, are skipped for the reason given.

    `progress` is told how many are made, of how many.
    """
    findings = []
    for finding in _findings(specimen, beside or {}):
        findings.append(finding)
        if progress is not None:
            progress(len(findings), len(CHECKS))
    return findings


def _findings(specimen: ModelUnderTest, beside: Mapping[str, str]) -> Iterator[Finding]:
    reasons = dict(beside)
    for check in CHECKS:
        found = skipped(check, reasons[check.id]) if check.id in reasons else _made(check, specimen)
        yield found
        if check.id == FIRST and "graph" not in vars(specimen):  # a cached property, which could not be made
            reasons |= {other.id: f"cannot be made while {FIRST!r} fails" for other in CHECKS}


def skipped(check: Check, why: str) -> Finding:
    """A check that was not made."""
    return Finding(check, Outcome.SKIPPED, why, 0.0)


def _made(check: Check, specimen: ModelUnderTest) -> Finding:
    start = time.perf_counter()
    try:
        wrong = outcome(check, specimen)
    except Skip as reason:
        return skipped(check, str(reason))
    found = Outcome.OK if wrong is None else Outcome.FAILED
    return Finding(check, found, wrong or "", time.perf_counter() - start)
