"""What a recipe for the user's own files looks like."""

import pytest


@pytest.fixture
def on_files(pairs):
    """Makes the keys of a recipe for a model directory and eight pairs of letters."""

    def keys(model, **more):
        columns = {"source": "a", "target": "b", "metric": "exact_match"}
        return {"model": str(model), "task": {"train": str(pairs), "eval": str(pairs), **columns}, **more}

    return keys
