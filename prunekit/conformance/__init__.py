"""Conformance: whether an adapter's declaration holds for a model, check by check, without any test framework."""

from prunekit.conformance.catalog import CHECKS, failures
from prunekit.conformance.checks import Check, Failure, Skip
from prunekit.conformance.model_under_test import ModelUnderTest

__all__ = ["CHECKS", "Check", "Failure", "ModelUnderTest", "Skip", "failures"]
