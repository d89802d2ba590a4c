"""Conformance: whether an adapter's declaration holds for a model, check by check, without any test framework."""

from prunekit.conform import declared, structure, laws  # noqa: F401, I001  the checks, the cheap ones first
from prunekit.conform.checks import CHECKS, Check, Failure, Skip, failures
from prunekit.conform.specimen import Specimen

__all__ = ["CHECKS", "Check", "Failure", "Skip", "Specimen", "failures"]
