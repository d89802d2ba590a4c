"""Kits for tests: the suites for adapters and strategies, tiny models of every family, and random plans.

Needs `pytest` and `hypothesis`, which ``prunekit[dev]`` brings.
"""

from prunekit.conformance.model_under_test import enlarge
from prunekit.testing.adapters import AdapterSuite
from prunekit.testing.models import FAMILIES, VOCABULARY, Tiny, tiny, untie
from prunekit.testing.plans import plans, unit_choices
from prunekit.testing.strategies import StrategySuite
from prunekit.testing.trials import StrategyTrial, try_out

__all__ = [
    "FAMILIES",
    "VOCABULARY",
    "AdapterSuite",
    "StrategySuite",
    "StrategyTrial",
    "Tiny",
    "enlarge",
    "plans",
    "tiny",
    "try_out",
    "unit_choices",
    "untie",
]
