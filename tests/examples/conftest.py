"""The examples' scripts as modules: they are run by path and belong to no package."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def load():
    """Import a script by its path below ``examples/``."""

    def loaded(path):
        spec = importlib.util.spec_from_file_location(path.removesuffix(".py").replace("/", "_"), EXAMPLES / path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return loaded


@pytest.fixture(scope="session")
def examples():
    """Where the examples lie."""
    return EXAMPLES
