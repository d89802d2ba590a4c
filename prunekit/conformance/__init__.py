"""Conformance: whether an adapter's declaration holds for a model, check by check, without any test framework."""

from prunekit.conformance import declared, structure, laws  # noqa: F401, I001  the checks, the cheap ones first
from prunekit.conformance.checks import CHECKS, Check, Failure, Skip, failures
from prunekit.conformance.model_under_test import ModelUnderTest

__all__ = ["CHECKS", "Check", "Failure", "ModelUnderTest", "Skip", "failures"]
