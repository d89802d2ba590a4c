"""Predicted shapes of a model in a directory."""

import pytest

from prunekit import PrunekitError
from prunekit.pipeline import prediction
from prunekit.pipeline.prediction import shapes_for_model
from prunekit.recipe import Workload


def test_what_cannot_be_had_is_refused_before_anything_is_timed(t5_directory, monkeypatch):
    monkeypatch.setattr(prediction, "calibrated_shapes", lambda *_: pytest.fail("timed for nothing"))
    with pytest.raises(PrunekitError, match="The decoder has 3 layers"):
        shapes_for_model(str(t5_directory), Workload(), None, "cpu", 1, asked=((4,), ()))


def test_the_graph_is_that_of_the_model_in_the_directory(t5_directory, monkeypatch):
    monkeypatch.setattr(prediction, "calibrated_shapes", lambda *given: given)
    model, adapter, graph, workload, threads, *_ = shapes_for_model(str(t5_directory), Workload(), None, "cpu", 1)
    assert graph.size.whole == model.num_parameters()
    assert (type(adapter).__name__, workload, threads) == ("T5", Workload(), 1)
