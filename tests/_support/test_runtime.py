"""What a process sets before its first tensor."""

import os
import subprocess
import sys

import pytest

from prunekit._support import runtime
from prunekit._support.runtime import HUGE_PAGES, KERNEL, configure_runtime, use_huge_pages

ASKS = """
from prunekit._support import runtime
runtime.configure_runtime()
import torch
tensor = torch.ones(1 << 24)
blocks, size = [], 0
for line in open("/proc/self/smaps"):
    if line.startswith("Size:"):
        size = int(line.split()[1])
    elif line.startswith("VmFlags:") and "hg" in line.split() and size >= 60_000:
        blocks.append(size)
print(len(blocks))
"""
"""Prints how many mappings of 60 MB or more the kernel was asked to lay on huge pages."""


def fresh(code: str, **settings: str) -> str:
    """What a fresh process prints that runs `code`."""
    known = {name: value for name, value in os.environ.items() if name not in runtime.SETTINGS}
    words = [sys.executable, "-c", code]
    return subprocess.run(words, env=known | settings, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(not KERNEL.exists(), reason="only Linux has transparent huge pages")
@pytest.mark.parametrize(("settings", "blocks"), [({}, "1"), ({HUGE_PAGES: "0"}, "0")])
def test_the_kernel_is_asked_for_huge_pages_unless_the_user_says_no(settings, blocks):
    assert fresh(ASKS, **settings) == blocks


def test_the_command_line_configures_the_process_before_torch_is_imported():
    code = (
        "import sys, os, prunekit.cli; import_changed = bool({*os.environ} & {*runtime.SETTINGS}); "
        f"prunekit.cli.app = lambda **_: print(import_changed, 'torch' in sys.modules, os.environ[{HUGE_PAGES!r}]); "
        "prunekit.cli.main()"
    )
    code = f"from prunekit._support import runtime; {code}"
    assert fresh(code) == "False False 1"
    assert fresh(code, **{HUGE_PAGES: "0"}) == "True False 0"


@pytest.mark.parametrize(
    ("policy", "asked", "given"),
    [
        ("[always] madvise never", "0", True),
        ("always [madvise] never", "0", False),
        ("always [madvise] never", "1", True),
        ("always madvise [never]", "1", False),
        (None, "1", False),
    ],
)
def test_the_kernel_has_the_last_word(policy, asked, given, tmp_path, monkeypatch):
    kernel = tmp_path / "enabled"
    if policy is not None:
        kernel.write_text(policy)
    monkeypatch.setattr(runtime, "KERNEL", kernel)
    monkeypatch.setenv(HUGE_PAGES, asked)
    assert use_huge_pages() is given


def test_what_the_user_set_stays(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.setenv(HUGE_PAGES, "0")  # so that it is as before after the test
    monkeypatch.delenv(HUGE_PAGES)
    configure_runtime()
    assert os.environ["OMP_WAIT_POLICY"] == "active"
    assert os.environ[HUGE_PAGES] == "1"
