"""Kits for tests: tiny models of every family, and random plans. Needs `hypothesis`, which ``prunekit[dev]`` brings."""

from prunekit.testing.models import FAMILIES, VOCABULARY, Tiny, enlarge, tiny, untie
from prunekit.testing.plans import plans, units

__all__ = ["FAMILIES", "VOCABULARY", "Tiny", "enlarge", "plans", "tiny", "units", "untie"]
