"""Kits for tests: the suite for strategies, tiny models of every family, and random plans.

Needs `pytest` and `hypothesis`, which ``prunekit[dev]`` brings.
"""

from prunekit.testing.models import FAMILIES, VOCABULARY, Tiny, enlarge, tiny, untie
from prunekit.testing.plans import plans, units
from prunekit.testing.strategies import StrategySuite
from prunekit.testing.trials import Trial, try_out

__all__ = [
    "FAMILIES",
    "VOCABULARY",
    "StrategySuite",
    "Tiny",
    "Trial",
    "enlarge",
    "plans",
    "tiny",
    "try_out",
    "units",
    "untie",
]
