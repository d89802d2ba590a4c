"""The environment of a report: versions and hardware, and nothing of the machine or its user."""

import getpass
import json
import platform

import torch

from prunekit.measure import environment as module
from prunekit.measure.environment import cpu_model, environment


def test_versions_and_hardware_are_named():
    facts = environment()
    assert facts["python"] == platform.python_version()
    assert torch.__version__.startswith(facts["torch"])  # the registry's file leaves out which CUDA it is for
    assert facts["threads"] == torch.get_num_threads()
    assert {"transformers", "prunekit", "cpu", "cores", "platform"} <= set(facts)


def test_nothing_names_the_machine_or_its_user(monkeypatch):
    monkeypatch.setattr(platform, "node", lambda: "secret-host")
    text = json.dumps(environment())
    assert "secret-host" not in text
    assert "/" not in text.replace(cpu_model(), "")
    assert f'"{getpass.getuser()}"' not in text


def test_the_processor_is_the_kernels_name_for_it(tmp_path, monkeypatch):
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\n\nmodel name\t: other\n")
    monkeypatch.setattr(module, "CPU_INFO", info)
    assert cpu_model() == "Some CPU @ 3 GHz"
    monkeypatch.setattr(module, "CPU_INFO", tmp_path / "none")
    assert cpu_model() == (platform.processor() or platform.machine())


def test_a_package_that_is_not_there_is_said_so(monkeypatch):
    monkeypatch.setattr(module, "PACKAGES", ("no-such-package",))
    assert environment()["no-such-package"] == "not installed"
