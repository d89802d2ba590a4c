"""The built-in adapters with the tiny configs of their suites; test files belong to no package."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def suites():
    """The suites of every built-in adapter, by its name: of those for which it declares the same, the first."""
    path = Path(__file__).with_name("test_families.py")
    spec = importlib.util.spec_from_file_location("families_of_adapters", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = {}
    for suite in module.SUITES:
        if hasattr(suite, "adapter"):
            declared = (suite.adapter().stacks(suite.config), suite.adapter().whole(suite.config))
            found.setdefault(suite.adapter.__name__, {}).setdefault(declared, suite)
    return {name: list(kinds.values()) for name, kinds in found.items()}
