"""The task and the model that a recipe names."""

import pytest

from prunekit import PrunekitError
from prunekit.loading.context import open_run_context
from prunekit.loading.resolve import resolve


def test_data_without_a_model(on_files):
    data = on_files("-")
    del data["model"]
    with pytest.raises(PrunekitError, match="Say which model to prune with --model"):
        open_run_context(resolve(data))


def test_a_model_without_data(t5_directory):
    with pytest.raises(PrunekitError, match=r"Say what the model is for: --task with one of asr, g2p, or --train"):
        open_run_context(resolve({"model": str(t5_directory)}))


def test_a_task_with_data_of_its_own_and_files(t5_directory, on_files):
    data = on_files(t5_directory)
    data["task"]["name"] = "g2p"
    with pytest.raises(PrunekitError, match="'g2p' brings its own data"):
        open_run_context(resolve(data))
