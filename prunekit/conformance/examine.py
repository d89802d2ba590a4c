"""All checks on one model, each with its outcome: for a table, in place of a list of failures."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from prunekit.conformance.catalog import CHECKS
from prunekit.conformance.checks import Check, Skip
from prunekit.conformance.model_under_test import ModelUnderTest
from prunekit.cut.checkpoint import is_pruned
from prunekit.errors import PrunekitError
from prunekit.loading.pretrained import located, open_config, open_model
from prunekit.loading.structure import adapter_for
from prunekit.measure.equivalence import ALARM

FIRST = "trace"
"""The check without which no other can be made: it finds the groups."""

TOY_CHECKS = {"loud": "asks for large random weights, and these are real ones"}
"""Checks that do not apply to a model with real weights, by id, with the reason."""


class Outcome(StrEnum):
    """How a check ends."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Finding:
    """A check and its outcome. Example: ``heads`` FAILED in 0.4 s, because logits differ by 3e-2 of the largest.

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
    skip: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """The outcome of every check; those in `skip`, by id, are skipped for the reason given.

    `progress` is called with the number of finished checks, and of all.
    """
    findings = []
    for finding in _findings(specimen, skip or {}):
        findings.append(finding)
        if progress is not None:
            progress(len(findings), len(CHECKS))
    return findings


def _findings(specimen: ModelUnderTest, skip: Mapping[str, str]) -> Iterator[Finding]:
    reasons = dict(skip)
    for check in CHECKS:
        yield skipped(check, reasons[check.id]) if check.id in reasons else _run(check, specimen)
        if check.id == FIRST and not _has_groups(specimen):
            reasons |= {other.id: f"cannot be made while {FIRST!r} fails" for other in CHECKS}


def _has_groups(specimen: ModelUnderTest) -> bool:
    """Whether the model can be traced and its groups agree with the declaration."""
    try:
        return bool(specimen.graph.groups)
    except Exception:  # a wrong declaration makes models raise anything
        return False


def skipped(check: Check, why: str) -> Finding:
    """The finding of a check that was not made."""
    return Finding(check, Outcome.SKIPPED, why, 0.0)


def _run(check: Check, specimen: ModelUnderTest) -> Finding:
    start = time.perf_counter()
    try:
        wrong = check.outcome(specimen)
    except Skip as reason:
        return skipped(check, str(reason))
    outcome = Outcome.OK if wrong is None else Outcome.FAILED
    return Finding(check, outcome, wrong or "", time.perf_counter() - start)
