"""The formats of exports, which the command line takes by their names."""

import subprocess
import sys

from prunekit.export.formats import ExportFormat


def test_formats_are_named_as_on_the_command_line():
    assert [str(each) for each in ExportFormat] == ["plain", "ctranslate2", "onnx"]
    assert ExportFormat("onnx") is ExportFormat.ONNX


def test_naming_them_waits_for_no_torch():
    code = "import sys, prunekit.export.formats; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
