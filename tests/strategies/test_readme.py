"""The strategy that the guide walks through passes the suite as the guide says, from the guide's own text."""

import importlib.util
import inspect
import re
from pathlib import Path

from prunekit.testing import StrategySuite
from prunekit.testing.strategies import cached_trial

GUIDE = (Path(__file__).parents[2] / "strategies/README.md").read_text(encoding="utf-8")
WRITTEN, TESTED = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def test_the_guides_strategy_passes_the_guides_test(tmp_path, monkeypatch):
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package/halves.py").write_text(WRITTEN)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "test_halves.py").write_text(TESTED)
    spec = importlib.util.spec_from_file_location("test_halves_of_the_guide", tmp_path / "test_halves.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert issubclass(module.TestHalves, StrategySuite)
    for name in [name for name in dir(StrategySuite) if name.startswith("test_")]:
        check = getattr(module.TestHalves(), name)
        check(*arguments(check, module.TestHalves))


def arguments(check, suite):
    """The trial of the first family, for the checks that look at one."""
    return [cached_trial(suite, suite.families[0])] if "trial" in inspect.signature(check).parameters else []
