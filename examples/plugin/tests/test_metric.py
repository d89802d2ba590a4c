"""The metric, on numerals of its kind."""

from prunekit.testing import MetricSuite

from my_package.metric import NumeralDistance


class TestNumeralDistance(MetricSuite):
    metric = NumeralDistance("numeral_distance")
    texts = ("MCMXCIV", "XIV", "CDXL", "IX")
