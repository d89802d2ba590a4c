"""What a plugin's file imports from prunekit."""

from prunekit.testing.public_door import private_imports

SOURCE = """
import torch
import prunekit
import prunekit.learn.masking.gates
from prunekit import Strategy, hookimpl
from prunekit.testing import tiny
from .prunekit import neighbour

class Mine:
    def plan(self):
        from prunekit.cut import surgery
"""


def test_names_that_are_not_exported_are_private(tmp_path, monkeypatch):
    (tmp_path / "a_plugin_of_somebody.py").write_text(SOURCE.replace("from .prunekit import neighbour\n", ""))
    monkeypatch.syspath_prepend(tmp_path)
    from a_plugin_of_somebody import Mine

    (tmp_path / "a_plugin_of_somebody.py").write_text(SOURCE)
    assert private_imports(Mine) == ["prunekit.learn.masking.gates", "prunekit.cut.surgery"]
