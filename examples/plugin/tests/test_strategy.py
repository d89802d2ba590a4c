"""The strategy, tried on a tiny T5 and a tiny BART."""

from prunekit.testing import StrategySuite

from my_package.strategy import BetterHalf


class TestBetterHalf(StrategySuite):
    strategy = BetterHalf(encoder_sparsity=0.4)
    families, targets = ("t5", "bart"), {"encoder": 0.4}
