"""Figures over seeds, and what they are called in JSON."""

import statistics

import pytest

from prunekit.compare.figures import Figure, Gain


def test_a_figure_is_the_mean_with_the_sample_deviation():
    found = Figure.of([0.66, 0.67, 0.71])
    assert found.mean == pytest.approx(0.68)
    assert found.deviation == pytest.approx(statistics.stdev([0.66, 0.67, 0.71]))
    assert Figure.of([0.5]) == Figure(mean=0.5, deviation=None, values=[0.5])


def test_a_gain_has_the_keys_of_a_comparison():
    gain = Gain(over="depth", gain=0.01, low=-0.01, high=0.03, p=0.2)
    assert set(gain.model_dump()) == {"over", "gain", "low", "high", "p"}
