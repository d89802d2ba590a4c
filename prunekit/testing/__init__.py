"""Kits for tests: the suites for adapters, strategies, tasks and metrics, tiny models, and random plans.

Needs `pytest` and `hypothesis`, which ``prunekit[dev]`` brings.
"""

from prunekit.conformance.model_under_test import enlarge
from prunekit.testing.adapters import AdapterSuite
from prunekit.testing.metrics import MetricSuite
from prunekit.testing.models import FAMILIES, VOCABULARY, Tiny, tiny, untie
from prunekit.testing.plans import plans, unit_choices
from prunekit.testing.strategies import StrategySuite
from prunekit.testing.tasks import TaskSuite
from prunekit.testing.trials import StrategyTrial, try_out

__all__ = [
    "FAMILIES",
    "VOCABULARY",
    "AdapterSuite",
    "MetricSuite",
    "StrategySuite",
    "StrategyTrial",
    "TaskSuite",
    "Tiny",
    "enlarge",
    "plans",
    "tiny",
    "try_out",
    "unit_choices",
    "untie",
]
